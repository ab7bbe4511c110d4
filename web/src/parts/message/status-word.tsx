import type { Status } from '../../../../src/client/index.ts';
import { codeName, inert, wordsOf } from '../../view/format.ts';

/** The group of a status as a coloured word; the whole name for who asks. */
export function StatusWord({ status }: { readonly status: Status }) {
  return (
    <span className={`status status-${groupClass(status.groupName)}`} title={inert(codeName(status))}>
      {wordsOf(inert(status.groupName ?? codeName(status), 40))}
    </span>
  );
}

export function groupClass(group: string | undefined): string {
  return group !== undefined && /^[A-Z]+$/.test(group) ? group.toLowerCase() : 'unknown';
}

import type { ReactNode } from 'react';
import type { Key, User } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { countText, inert, momentText } from '../../view/format.ts';

/** A table whose columns are lines where there is no room for them. */
export function Listed(props: {
  readonly label: string;
  readonly heads: readonly string[];
  readonly children: ReactNode;
}) {
  return (
    <div className="listed">
      <table aria-label={props.label}>
        <thead>
          <tr>
            {props.heads.map(head => (
              <th key={head} scope="col">
                {head === '' ? <span className="unseen">What can be done</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

export const usedHeads = ['May', 'Made', 'Uses', 'Last used', ''] as const;

export function UsedCells({ of }: { readonly of: Key | User }) {
  const { view } = usePage();
  const { scopes, createdAt, uses, lastUsedAt } = of;
  return (
    <>
      <td data-head="May">{scopes.includes('messenger:manage') ? 'everything' : scopes.map(inertScope).join(', ')}</td>
      <td data-head="Made">{momentText(createdAt, view.zone).slice(0, 16)}</td>
      <td className="number" data-head="Uses">
        {countText(uses)}
      </td>
      <td data-head="Last used">
        {lastUsedAt === undefined ? 'never' : momentText(lastUsedAt, view.zone).slice(0, 16)}
      </td>
    </>
  );
}

const inertScope = (scope: string) => inert(scope.replace(/^messenger:/, ''), 40);

/** Beside what somebody is signed in with. */
export function Yours({ of }: { readonly of: Key | User }) {
  if (of.isYours !== true) return null;
  return (
    <>
      {' '}
      <span className="state">yours</span>
    </>
  );
}

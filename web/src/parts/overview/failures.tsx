import type { Summary } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { isComparable } from '../../view/change.ts';
import { countText } from '../../view/format.ts';
import { type Field, failedOnly, shownValue } from '../../view/view.ts';
import { Apart } from '../forms/apart.tsx';
import { Cut } from '../forms/cut.tsx';
import { Change } from './breakdown.tsx';

type FailureList = readonly { readonly name: string; readonly count: number }[];
type Lists = Partial<Readonly<Record<'error' | 'sender' | 'campaignReferenceId', FailureList>>>;

function listsOf(failures: Summary['failures']): Lists {
  const { errors, senders, campaigns } = failures ?? {};
  const sender = senders?.map(({ sender, count }) => ({ name: sender, count }));
  const campaignReferenceId = campaigns?.map(one => ({ name: one.campaignReferenceId, count: one.count }));
  return {
    ...(errors !== undefined && { error: errors }),
    ...(sender !== undefined && { sender }),
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
  };
}

const columns = [
  ['Failed by error', 'error'],
  ['By sender', 'sender'],
  ['By campaign', 'campaignReferenceId'],
] as const;

/** What stands most often in failed messages. */
export function Failures({ summary }: { readonly summary: Summary | undefined }) {
  const lists = listsOf(summary?.failures);
  const before = listsOf(summary !== undefined && isComparable(summary) ? summary.compared?.failures : undefined);
  return (
    <div className="failures">
      {columns.map(([label, field]) => (
        <FailureColumn
          key={field}
          label={label}
          field={field}
          list={lists[field]}
          before={before[field]}
          known={summary !== undefined}
        />
      ))}
    </div>
  );
}

/** As many as the server lists of each kind. */
const listedMax = 10;

/** How often something failed before: what a whole list does not name, never. */
function countBefore(list: FailureList | undefined, name: string): number | undefined {
  const found = list?.find(one => one.name === name)?.count;
  return found ?? (list !== undefined && list.length < listedMax ? 0 : undefined);
}

function FailureColumn(props: {
  readonly label: string;
  readonly field: Field;
  readonly list: FailureList | undefined;
  readonly before: FailureList | undefined;
  readonly known: boolean;
}) {
  const { label, field, list, before, known } = props;
  const most = list?.[0]?.count ?? 0;
  return (
    <div>
      <h2>{label}</h2>
      {list === undefined && <p className="quiet">{known ? 'Not known in time.' : '…'}</p>}
      {list?.length === 0 && <p className="quiet">None.</p>}
      <ol>
        {list?.slice(0, 5).map(({ name, count }) => (
          <li key={name}>
            <Failure {...{ field, name, count, most }} before={countBefore(before, name)} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Failure(props: {
  readonly field: Field;
  readonly name: string;
  readonly count: number;
  readonly most: number;
  readonly before: number | undefined;
}) {
  const { change } = usePage();
  const { field, name, count, most, before } = props;
  const shown = shownValue(field, name);
  return (
    <button type="button" onClick={() => change(one => failedOnly(one, field, name))}>
      <span className="name">
        <Cut text={shown} title={name} />
      </span>
      <Apart />
      <span className="count">
        {countText(count)}
        <Change now={count} before={before} />
      </span>
      <span className="share" style={{ width: `calc(${(count / most) * 100}% - 12px)` }} aria-hidden="true" />
    </button>
  );
}

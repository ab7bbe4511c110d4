import type { BreakdownField, BreakdownRow, Summary } from '../../../../src/client/index.ts';
import { fieldsOf, useBreakdown } from '../../log/use-summary.ts';
import { usePage } from '../../page-context.ts';
import { changeText, isComparable } from '../../view/change.ts';
import { countText, percentText, roughText } from '../../view/format.ts';
import { sumText } from '../../view/money.ts';
import {
  type BreakdownName,
  breakdownLabels,
  comparisonLabels,
  failedOnly,
  fieldLabels,
  only,
  shownValue,
} from '../../view/view.ts';
import { Cut } from '../forms/cut.tsx';
import { useHeldHeight } from '../forms/use-held-height.ts';

/** Figures of each sender, campaign, error …: what failed, what it was before, what it cost. */
export function BreakdownTable({ name }: { readonly name: BreakdownName }) {
  const { data, error } = useBreakdown(name);
  const box = useHeldHeight<HTMLDivElement>(data !== undefined || error !== null);
  return (
    <div ref={box}>
      <Broken name={name} data={data} error={error} />
    </div>
  );
}

function Broken(props: {
  readonly name: BreakdownName;
  readonly data: Summary | undefined;
  readonly error: Error | null;
}) {
  const { view } = usePage();
  const { name, data, error } = props;
  if (error !== null && data === undefined) return <p className="quiet">Could not be had: {error.message}</p>;
  if (data === undefined) return <p className="quiet">…</p>;
  const { breakdown, compared } = data;
  if (breakdown === undefined) return <p className="quiet">Too many to be told apart in time: narrow the view down.</p>;
  if (breakdown.rows.length === 0) return <p className="quiet">None.</p>;
  const fields = fieldsOf(name);
  // All messages of an error failed, so there is less to say of them.
  const isOfErrors = fields.includes('error');
  const before = compared?.breakdown?.rows;
  const then = view.compare === undefined || before === undefined ? [] : [comparisonLabels[view.compare]];
  return (
    <section className="breakdown listed" aria-label={breakdownLabels[name]}>
      <table>
        <thead>
          <tr>
            {fields.map(field => (
              <th key={field} scope="col">
                {fieldLabels[field]}
              </th>
            ))}
            {[...(isOfErrors ? [] : ['Messages']), 'Failed', ...then, 'Cost', ...(isOfErrors ? [] : ['Median'])].map(
              head => (
                <th key={head} scope="col" className={head === 'Median' ? 'number median' : 'number'}>
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {breakdown.rows.map((row, index) => (
            // What it is compared with has the same rows in the same order.
            <Row
              key={fields.map(field => JSON.stringify(row[field])).join()}
              {...{ fields, row, before: before?.[index], isComparable: isComparable(data) }}
            />
          ))}
        </tbody>
      </table>
      {breakdown.more > 0 && <p className="quiet">And {countText(breakdown.more)} more.</p>}
    </section>
  );
}

function Row(props: {
  readonly fields: readonly BreakdownField[];
  readonly row: BreakdownRow;
  readonly before: BreakdownRow | undefined;
  readonly isComparable: boolean;
}) {
  const { decimals } = usePage();
  const { fields, row, before, isComparable } = props;
  const { messages, failed, deliveryMs, prices } = row;
  const isOfErrors = fields.includes('error');
  const cost = prices.map(({ sum, currency }) =>
    sum === undefined ? `? ${currency}` : sumText(sum, currency, decimals),
  );
  return (
    <tr>
      {fields.map(field => (
        <td key={field}>
          <Value field={field} value={row[field]} isOfFailed={isOfErrors} />
        </td>
      ))}
      {!isOfErrors && <td className="number">{countText(messages)}</td>}
      <td className="number">
        {countText(failed)}
        {!isOfErrors && <span className="quiet"> ({percentText(failed, messages)})</span>}
      </td>
      {before !== undefined && (
        <td className="number">
          {countText(before.failed)}
          {isComparable && <Change now={failed} before={before.failed} />}
        </td>
      )}
      <td className="number">{cost.join(', ') || '–'}</td>
      {!isOfErrors && (
        <td className="number median">{deliveryMs.p50 === undefined ? '–' : roughText(deliveryMs.p50)}</td>
      )}
    </tr>
  );
}

/** How much more or less it is than before, if that is known. */
export function Change({ now, before }: { readonly now: number; readonly before: number | undefined }) {
  if (before === undefined) return null;
  const change = changeText(now, before, 'short') ?? (now > before ? 'new' : 'the same');
  return <span className={now > before ? 'before more' : 'before'}> ({change})</span>;
}

/** A value, and the way to its messages. Those that have none cannot be asked for. */
function Value(props: {
  readonly field: BreakdownField;
  readonly value: string | undefined;
  readonly isOfFailed: boolean;
}) {
  const { change } = usePage();
  const { field, value, isOfFailed } = props;
  if (value === undefined) return <span className="quiet">none</span>;
  const shown = shownValue(field, value);
  return (
    <button
      type="button"
      onClick={() => change(view => (isOfFailed ? failedOnly(view, field, value) : only(view, field, [value])))}
    >
      <bdi>
        <Cut text={shown} title={value} />
      </bdi>
    </button>
  );
}

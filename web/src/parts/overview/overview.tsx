import { useState } from 'react';
import type { Summary } from '../../../../src/client/index.ts';
import { troubleOf } from '../../api/trouble.ts';
import { useSummary } from '../../log/use-summary.ts';
import { usePage } from '../../page-context.ts';
import { countText, errorWords, inert, momentText, percentText, roughText, wordsOf } from '../../view/format.ts';
import { type Decimals, sumText } from '../../view/money.ts';
import { type Field, failedGroups, type GroupName, groupNames, withCondition } from '../../view/view.ts';
import { useNarrow } from '../forms/use-screen.ts';
import { keep, kept } from '../frame/theme.ts';
import { Chart } from './chart.tsx';

const keptAs = 'sentlog.overview';

/** Figures and chart of what is asked for. */
export function Overview() {
  const { view } = usePage();
  const { data, error, isPlaceholderData, isPending } = useSummary();
  const narrow = useNarrow();
  const [open, setOpen] = useState(() => (kept(keptAs) ?? (narrow ? 'closed' : 'open')) === 'open');
  // Figures of another view are never shown under this one.
  const summary = isPlaceholderData ? undefined : data;
  return (
    <section className="overview" aria-label="Overview" aria-busy={isPending || isPlaceholderData}>
      <Figures summary={summary} failed={error !== null && summary === undefined} />
      {error !== null && <p className="note note-bad">{failureText(error)}</p>}
      {summary?.gaps?.map(gap => (
        <p className="note note-bad" key={gap.from}>
          Messages from {momentText(gap.from, view.zone)} to {momentText(gap.to, view.zone)} may be missing here and,
          where it is striped, in the chart: {gap.reason}.
        </p>
      ))}
      {summary?.complete === false && summary.gaps === undefined && (
        <p className="note">Not everything could be counted in time. What is unfinished is left out, not shown as 0.</p>
      )}
      <details
        open={open}
        onToggle={event => {
          const next = event.currentTarget.open;
          if (next !== open) keep(keptAs, next ? 'open' : 'closed');
          setOpen(next);
        }}
      >
        <summary>Over time, and what failed most</summary>
        {open && (
          <div className="overview-detail">
            <div className="over-time">
              <Legend summary={summary} />
              <Chart summary={data} dimmed={isPlaceholderData} />
            </div>
            <Failures summary={summary} />
          </div>
        )}
      </details>
    </section>
  );
}

function failureText(error: Error): string {
  const trouble = troubleOf(error);
  return trouble.kind === 'forbidden'
    ? 'This key may not read the figures.'
    : `The figures could not be had: ${error.message}`;
}

type Shown = {
  readonly label: string;
  /** Several of what cannot be added up. */
  readonly value: string | readonly string[] | undefined;
  readonly detail?: string | undefined;
  readonly bad?: boolean;
};

function figuresOf(summary: Summary, decimals: Decimals): readonly Shown[] {
  const { total, groups, deliveryMs, prices } = summary;
  const failed = groups === undefined ? undefined : groups.UNDELIVERABLE + groups.EXPIRED + groups.REJECTED;
  const share = (count: number | undefined) => (count === undefined || !total ? undefined : percentText(count, total));
  const took = (ms: number | undefined) =>
    deliveryMs === undefined ? undefined : ms === undefined ? '–' : roughText(ms);
  const cost = prices?.map(({ sum, currency }) =>
    sum === undefined ? `? ${currency}` : sumText(sum, currency, decimals),
  );
  return [
    { label: 'Messages', value: total === undefined ? undefined : countText(total) },
    {
      label: 'Delivered',
      value: total === 0 ? '–' : share(groups?.DELIVERED),
      detail: groups && total !== 0 ? countText(groups.DELIVERED) : undefined,
    },
    { label: 'Pending', value: groups && countText(groups.PENDING), detail: share(groups?.PENDING) },
    {
      label: 'Failed',
      value: failed === undefined ? undefined : countText(failed),
      detail: share(failed),
      bad: failed !== 0,
    },
    { label: 'Delivery time, median', value: took(deliveryMs?.p50) },
    { label: '95 % within', value: took(deliveryMs?.p95) },
    { label: 'Cost', value: cost === undefined ? undefined : cost.length === 0 ? '–' : cost },
  ];
}

const labels = ['Messages', 'Delivered', 'Pending', 'Failed', 'Delivery time, median', '95 % within', 'Cost'];

function Figures({ summary, failed }: { readonly summary: Summary | undefined; readonly failed: boolean }) {
  const { decimals } = usePage();
  const figures: readonly Shown[] =
    summary === undefined ? labels.map(label => ({ label, value: undefined })) : figuresOf(summary, decimals);
  const missing = summary !== undefined || failed ? 'unknown' : '…';
  return (
    <dl className="figures">
      {figures.map(({ label, value, detail, bad }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className={value === undefined ? 'unknown' : bad ? 'bad' : undefined}>
            {label === 'Failed' && value !== undefined ? (
              <FailedButton count={value} />
            ) : typeof value === 'object' ? (
              <Sums texts={value} />
            ) : (
              (value ?? missing)
            )}
            {detail !== undefined && (
              <span className="detail">
                <Apart />
                {detail}
              </span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Between what stands apart on the screen: two figures are not to be read out as one. */
function Apart() {
  return <span className="unseen">, </span>;
}

/** The figure, and the way to its messages and back. */
function FailedButton({ count }: { readonly count: string | readonly string[] }) {
  const { view, change } = usePage();
  const chosen = view.conditions.generalStatus ?? [];
  const isChosen = chosen.length === failedGroups.length && failedGroups.every(name => chosen.includes(name));
  return (
    <button
      type="button"
      className="figure"
      aria-pressed={isChosen}
      title={isChosen ? 'Show all again' : 'Show what failed'}
      onClick={() => change(one => withCondition(one, 'generalStatus', isChosen ? [] : failedGroups))}
    >
      {count}
    </button>
  );
}

function Sums({ texts }: { readonly texts: readonly string[] }) {
  return (
    <span className="sums">
      {texts.map(text => (
        <span key={text}>
          {text}
          <Apart />
        </span>
      ))}
    </span>
  );
}

function Legend({ summary }: { readonly summary: Summary | undefined }) {
  const { view, change } = usePage();
  const chosen = view.conditions.generalStatus ?? [];
  const isOnly = (name: GroupName) => chosen.length === 1 && chosen[0] === name;
  const toggle = (name: GroupName) => change(one => withCondition(one, 'generalStatus', isOnly(name) ? [] : [name]));
  return (
    <ul className="legend" aria-label="Filter by status">
      {groupNames.map(name => (
        <li key={name}>
          <button type="button" aria-pressed={chosen.includes(name)} onClick={() => toggle(name)}>
            <span className={`swatch swatch-${name.toLowerCase()}`} aria-hidden="true" />
            {wordsOf(name)}
            <Apart />
            <span className="count">{summary?.groups === undefined ? '' : countText(summary.groups[name])}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

type FailureList = readonly { readonly name: string; readonly count: number }[] | undefined;

function Failures({ summary }: { readonly summary: Summary | undefined }) {
  const { errors, senders: bySender, campaigns: byCampaign } = summary?.failures ?? {};
  const senders = bySender?.map(({ sender, count }) => ({ name: sender, count }));
  const campaigns = byCampaign?.map(({ campaignReferenceId, count }) => ({ name: campaignReferenceId, count }));
  return (
    <div className="failures">
      <FailureColumn label="Failed by error" field="error" list={errors} known={summary !== undefined} />
      <FailureColumn label="By sender" field="sender" list={senders} known={summary !== undefined} />
      <FailureColumn label="By campaign" field="campaignReferenceId" list={campaigns} known={summary !== undefined} />
    </div>
  );
}

function FailureColumn(props: {
  readonly label: string;
  readonly field: Field;
  readonly list: FailureList;
  readonly known: boolean;
}) {
  const { change } = usePage();
  const { label, field, list, known } = props;
  const most = list?.[0]?.count ?? 0;
  return (
    <div>
      <h2>{label}</h2>
      {list === undefined && <p className="quiet">{known ? 'Not known in time.' : '…'}</p>}
      {list?.length === 0 && <p className="quiet">None.</p>}
      <ol>
        {list?.slice(0, 5).map(({ name, count }) => (
          <li key={name}>
            <button type="button" onClick={() => change(one => withCondition(one, field, [name]))}>
              <span className="name" title={inert(name)}>
                {field === 'error' ? errorWords(name) : inert(name, 60)}
              </span>
              <Apart />
              <span className="count">{countText(count)}</span>
              <span className="share" style={{ width: `calc(${(count / most) * 100}% - 12px)` }} aria-hidden="true" />
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

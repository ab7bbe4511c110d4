import type { Summary } from '../../../../src/client/index.ts';
import type { Figures } from '../../log/use-summary.ts';
import { usePage } from '../../page-context.ts';
import { changeText, isComparable } from '../../view/change.ts';
import { countText, percentText, roughText } from '../../view/format.ts';
import { type Decimals, sumText } from '../../view/money.ts';
import { comparisonLabels, failedGroups, only } from '../../view/view.ts';
import { Apart } from '../forms/apart.tsx';

type Shown = {
  readonly label: string;
  /** Several of what cannot be added up. */
  readonly value: string | readonly string[] | undefined;
  readonly detail?: string | undefined;
  readonly bad?: boolean;
};

/** Figures of one time: of what is asked for, and of any status. */
type Told = { readonly own: Omit<Summary, 'compared'>; readonly ofAny: Omit<Summary, 'compared'> };

function figuresOf({ own, ofAny }: Told, decimals: Decimals): readonly Shown[] {
  const { deliveryMs, prices } = own;
  const { total, groups } = ofAny;
  const failed = groups === undefined ? undefined : groups.UNDELIVERABLE + groups.EXPIRED + groups.REJECTED;
  const share = (count: number | undefined) => (count === undefined || !total ? undefined : percentText(count, total));
  const took = (ms: number | undefined) =>
    deliveryMs === undefined ? undefined : ms === undefined ? '–' : roughText(ms);
  const cost = prices?.map(({ sum, currency }) =>
    sum === undefined ? `? ${currency}` : sumText(sum, currency, decimals),
  );
  return [
    { label: 'Messages', value: own.total === undefined ? undefined : countText(own.total) },
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
    { label: medianLabel, value: took(deliveryMs?.p50) },
    { label: '95 % within', value: took(deliveryMs?.p95) },
    { label: 'Cost', value: cost === undefined ? undefined : cost.length === 0 ? '–' : cost },
  ];
}

const medianLabel = 'Delivery time, median';
const labels = ['Messages', 'Delivered', 'Pending', 'Failed', medianLabel, '95 % within', 'Cost'];

/** Where there is no room for more, one word says it. */
function Median() {
  return (
    <>
      <span className="beside">Delivery time, </span>median
    </>
  );
}

export function FigureRow({ summary, failed }: { readonly summary: Figures | undefined; readonly failed: boolean }) {
  const { decimals, view } = usePage();
  const figures: readonly Shown[] =
    summary === undefined
      ? labels.map(label => ({ label, value: undefined }))
      : figuresOf({ own: summary, ofAny: summary.ofAny }, decimals);
  const compared = comparedOf(summary);
  const before = compared?.own.total === undefined ? [] : figuresOf(compared, decimals);
  const missing = summary !== undefined || failed ? 'unknown' : '…';
  return (
    <dl className="figures">
      {figures.map(({ label, value, detail, bad }) => (
        <div key={label}>
          <dt>{label === medianLabel ? <Median /> : label}</dt>
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
          {view.compare !== undefined && <Before label={label} now={summary} compared={compared} shown={before} />}
        </div>
      ))}
    </dl>
  );
}

function comparedOf(summary: Figures | undefined): Told | undefined {
  const [own, ofAny] = [summary?.compared, summary?.ofAny.compared];
  return own === undefined || ofAny === undefined ? undefined : { own, ofAny };
}

/** The numbers of a summary that are told to be more or less. */
const counted: Readonly<Record<string, (told: Told) => number | undefined>> = {
  Messages: ({ own }) => own.total,
  Failed: ({ ofAny: { groups } }) => groups && groups.UNDELIVERABLE + groups.EXPIRED + groups.REJECTED,
};

/** What a figure was in the time that it is compared with, and how much more or less it is. */
function Before(props: {
  readonly label: string;
  readonly now: Figures | undefined;
  readonly compared: Told | undefined;
  readonly shown: readonly Shown[];
}) {
  const { label, now, compared, shown } = props;
  const { compare } = usePage().view;
  const one = shown.find(figure => figure.label === label);
  if (compare === undefined || now === undefined || compared === undefined || one?.value === undefined) return null;
  const count = counted[label];
  const change =
    count === undefined || !isComparable(now) || !isComparable(now.ofAny)
      ? undefined
      : changeText(count({ own: now, ofAny: now.ofAny }), count(compared));
  return (
    <dd className="before">
      <span className="unseen">{comparisonLabels[compare].toLowerCase()} </span>was {[one.value].flat().join(', ')}
      {change !== undefined && (
        <>
          , <strong>{change}</strong>
        </>
      )}
    </dd>
  );
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
      onClick={() => change(one => only(one, 'generalStatus', isChosen ? [] : failedGroups))}
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

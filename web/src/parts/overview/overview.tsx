import { Suspense, useEffect, useRef, useState } from 'react';
import { troubleOf } from '../../api/trouble.ts';
import { useSummary } from '../../log/use-summary.ts';
import { usePage } from '../../page-context.ts';
import { momentText } from '../../view/format.ts';
import { breakdownLabels, breakdowns } from '../../view/view.ts';
import { later } from '../forms/later.tsx';
import { useHeldHeight } from '../forms/use-held-height.ts';
import { isRoomy } from '../forms/use-screen.ts';
import { keep, kept } from '../frame/theme.ts';
import { BreakdownTable } from './breakdown.tsx';
import { Compared } from './compared.tsx';
import { Failures } from './failures.tsx';
import { FigureRow } from './figures.tsx';
import { Legend } from './legend.tsx';

/** With its library it is a sixth of all scripts: rows and figures need not wait for it, nor those who have it folded. */
const Chart = later(async () => (await import('./chart.tsx')).Chart);

const keptAs = 'sentlog.overview';

/** Figures and chart of what is asked for. */
export function Overview() {
  const { view } = usePage();
  const { data, error, isPlaceholderData, isPending } = useSummary();
  const [open, setOpen] = useState(
    () => (kept(keptAs) ?? (isRoomy() ? 'open' : 'closed')) === 'open' || view.by !== undefined,
  );
  // Figures of another view are never shown under this one.
  const summary = isPlaceholderData ? undefined : data;
  const told = useHeldHeight<HTMLDivElement>(summary !== undefined || error !== null, 'sentlog.figures');
  return (
    <section className="overview" aria-label="Overview" aria-busy={isPending || isPlaceholderData}>
      <div ref={told}>
        <FigureRow summary={summary} failed={error !== null && summary === undefined} />
        {error !== null && <p className="note note-bad">{failureText(error)}</p>}
        {summary?.gaps?.map(gap => (
          <p className="note note-bad" key={gap.from}>
            Messages from {momentText(gap.from, view.zone)} to {momentText(gap.to, view.zone)} may be missing here and,
            where it is striped, in the chart: {gap.reason}.
          </p>
        ))}
        {summary?.complete === false && summary.gaps === undefined && (
          <p className="note">
            Not everything could be counted in time. What is unfinished is left out, not shown as 0.
          </p>
        )}
        <Compared summary={summary} />
      </div>
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
              <Legend summary={summary?.ofAny} />
              <Suspense fallback={<div className="chart" />}>
                <Chart summary={data} dimmed={isPlaceholderData} />
              </Suspense>
            </div>
            <div className="broken-down">
              <BreakdownChoice />
              {view.by === undefined ? <Failures summary={summary} /> : <BreakdownTable name={view.by} />}
            </div>
          </div>
        )}
      </details>
      <MoreBelow />
    </section>
  );
}

/** Whether there is more below, and the way to it: not every screen shows a bar to scroll by. */
function MoreBelow() {
  const end = useRef<HTMLSpanElement>(null);
  const [isBelow, setIsBelow] = useState(false);
  useEffect(() => {
    const { current } = end;
    if (current === null) return;
    const root = current.parentElement;
    const watch = new IntersectionObserver(seen => setIsBelow(seen.at(-1)?.isIntersecting === false), { root });
    watch.observe(current);
    return () => watch.disconnect();
  }, []);
  return (
    <>
      {isBelow && (
        <div className="more-below">
          <button type="button" onClick={() => end.current?.scrollIntoView({ block: 'end' })}>
            More ↓
          </button>
        </div>
      )}
      <span ref={end} />
    </>
  );
}

function failureText(error: Error): string {
  const trouble = troubleOf(error);
  return trouble.kind === 'forbidden'
    ? 'This key may not read the figures.'
    : `The figures could not be had: ${error.message}`;
}

/** What stands beside the chart. */
function BreakdownChoice() {
  const { view, change } = usePage();
  return (
    <select
      aria-label="Broken down by"
      className={view.by === undefined ? undefined : 'set'}
      value={view.by ?? ''}
      onChange={event => {
        const by = breakdowns.find(one => one === event.target.value);
        change(one => ({ ...one, by }), { replace: true });
      }}
    >
      <option value="">What failed most</option>
      {breakdowns.map(one => (
        <option key={one} value={one}>
          {breakdownLabels[one]}
        </option>
      ))}
    </select>
  );
}

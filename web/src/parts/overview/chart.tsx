import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import type { Summary } from '../../../../src/client/index.ts';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { countText, momentText, msOf, spanText } from '../../view/format.ts';
import { comparisonLabels, groupNames, isShown } from '../../view/view.ts';
import { type Zone, zonePlace } from '../../view/zone.ts';
import { useRemPx } from '../forms/use-screen.ts';
import { type Bar, barsOf, beforeOf, laterBy } from './bars.ts';
import { dataOf, type Missing, missingOf, optionsOf } from './plot.ts';

/** Stacked bars of status groups; dragging over them picks a range. */
export function Chart({ summary, dimmed }: { readonly summary: Summary | undefined; readonly dimmed: boolean }) {
  const { view } = usePage();
  const bars = useMemo(() => (summary === undefined ? undefined : barsOf(summary)), [summary]);
  const [hovered, setHovered] = useState<number>();
  const { compare, zone } = view;
  const before = useMemo(
    () => (bars === undefined ? [] : beforeOf(bars, summary, laterBy(compare, zone))),
    [bars, summary, compare, zone],
  );
  const missing = useMemo(() => (summary === undefined ? [] : missingOf(summary)), [summary]);
  const box = usePlot({ bars, before, missing, bucketMs: summary?.bucketMs ?? 60_000 }, view.zone, setHovered);
  const then = view.compare && comparisonLabels[view.compare].toLowerCase();
  const bar = hovered === undefined ? undefined : bars?.[hovered];
  return (
    <div className={dimmed ? 'chart dimmed' : 'chart'}>
      <div ref={box} className="plot" role="img" aria-label={chartText(summary, bars, view.zone)} />
      {bars?.some(({ groups }) => groups === undefined) && (
        <p className="chart-missing">What is grey could not be counted in time.</p>
      )}
      {summary?.total === 0 && <p className="chart-missing">No messages in this time.</p>}
      <p className="hovered" aria-hidden="true">
        {bar === undefined
          ? `Times: ${zonePlace(view.zone)}. Drag to pick a range, or click a bar.`
          : barText(bar, summary?.bucketMs ?? 0, view.zone) + beforeText(then, before[hovered ?? -1])}
        {bar === undefined && then !== undefined && ` The line: ${then}.`}
      </p>
    </div>
  );
}

function barText({ fromMs, groups }: Bar, bucketMs: number, zone: Zone): string {
  const span = spanText(fromMs, fromMs + bucketMs, zone, nowMs());
  if (groups === undefined) return `${span}: not counted in time`;
  const counts = groupNames
    .filter(name => groups[name] > 0)
    .map(name => `${name.toLowerCase()} ${countText(groups[name])}`);
  return `${span}: ${counts.length === 0 ? 'none' : counts.join(', ')}`;
}

function beforeText(then: string | undefined, count: number | null | undefined): string {
  return then === undefined || count === null || count === undefined ? '' : `; ${then} ${countText(count)}`;
}

function chartText(summary: Summary | undefined, bars: readonly Bar[] | undefined, zone: Zone): string {
  if (summary === undefined || bars === undefined) return 'Messages over time: not known yet';
  const counted = bars.filter(({ groups }) => groups !== undefined);
  const totals = groupNames.flatMap(name => {
    const sum = counted.reduce((all, { groups }) => all + (groups?.[name] ?? 0), 0);
    return isShown(name, sum) ? [`${name.toLowerCase()} ${countText(sum)}`] : [];
  });
  const from = counted.length === bars.length ? msOf(summary.from) : counted[0]?.fromMs;
  if (from === undefined) return 'Messages over time: not counted in time';
  return `Messages over time, ${momentText(from, zone)} to ${momentText(summary.to, zone)}: ${totals.join(', ')}`;
}

type Drawn = {
  readonly bars: readonly Bar[] | undefined;
  readonly before: readonly (number | null)[];
  readonly missing: readonly Missing[];
  readonly bucketMs: number;
};

function usePlot(drawn: Drawn, zone: Zone, onHover: (index: number | undefined) => void) {
  const { change } = usePage();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(drawn);
  latest.current = drawn;
  const { bars, before } = drawn;
  const known = bars !== undefined;
  const theme = useThemeCount();
  const remPx = useRemPx();
  useEffect(() => {
    const element = box.current;
    if (element === null || !known || latest.current.bars === undefined) return;
    void theme;
    const onSelect = (since: number, until: number) =>
      change(view => ({ ...view, range: { sinceMs: since, untilMs: until } }));
    const reactions = {
      missing: () => latest.current.missing,
      bucketMs: () => latest.current.bucketMs,
      onHover,
      onSelect,
    };
    const data = dataOf(latest.current.bars, latest.current.before);
    const created = new uPlot(optionsOf(element, remPx, zone, reactions), data, element);
    plot.current = created;
    const observer = new ResizeObserver(() =>
      created.setSize({ width: Math.max(element.clientWidth, 200), height: element.clientHeight }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
    };
  }, [known, zone, change, onHover, theme, remPx]);
  useEffect(() => {
    if (bars !== undefined) plot.current?.setData(dataOf(bars, before));
  }, [bars, before]);
  return box;
}

/** Grows when the colours change, by the button or by the system. */
function useThemeCount(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const grow = () => setCount(last => last + 1);
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', grow);
    addEventListener('sentlog:theme', grow);
    return () => {
      system.removeEventListener('change', grow);
      removeEventListener('sentlog:theme', grow);
    };
  }, []);
  return count;
}

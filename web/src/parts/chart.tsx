import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import type { Summary } from '../api/summary.ts';
import { usePage } from '../page-context.ts';
import { countText, momentText } from '../view/format.ts';
import { type GroupName, groupNames } from '../view/view.ts';

const heightPx = 132;
type Buckets = NonNullable<Summary['buckets']>;

/** Bars stand on one another: each series is the sum of itself and those below, the whole drawn first. */
const drawn: readonly GroupName[] = groupNames.toReversed();

function dataOf(buckets: Buckets): uPlot.AlignedData {
  const sums = drawn.map((_, index) => {
    const below = drawn.slice(index);
    return buckets.map(({ groups }) => below.reduce((sum, name) => sum + groups[name], 0));
  });
  return [buckets.map(bucket => bucket.fromMs / 1000), ...sums];
}

function colourOf(element: HTMLElement, variable: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

type Reactions = {
  readonly onHover: (index: number | undefined) => void;
  readonly onSelect: (sinceMs: number, untilMs: number) => void;
};

function optionsOf(element: HTMLElement, utc: boolean, on: Reactions): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.86, 60], align: 1 });
  const stroke = colourOf(element, '--quiet');
  const grid = { stroke: colourOf(element, '--line'), width: 1 };
  const font = '11px system-ui, sans-serif';
  return {
    width: Math.max(element.clientWidth, 200),
    height: heightPx,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    tzDate: seconds => (utc ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000)),
    scales: { y: { range: (_, __, max) => [0, Math.max(max, 1)] } },
    axes: [
      { stroke, grid: { show: false }, ticks: grid, font, size: 26, values: axisTimes(utc) },
      { stroke, grid, ticks: { show: false }, font, size: 52, values: (_, ticks) => ticks.map(axisCount) },
    ],
    series: [
      {},
      ...drawn.map(name => ({
        fill: colourOf(element, `--bar-${name.toLowerCase()}`),
        width: 0,
        points: { show: false },
        ...(bars !== undefined && { paths: bars }),
      })),
    ],
    hooks: {
      setCursor: [plot => on.onHover(plot.cursor.idx ?? undefined)],
      setSelect: [
        plot => {
          const { left, width } = plot.select;
          if (width < 4) return;
          on.onSelect(plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

const dayS = 86_400;

function axisTimes(utc: boolean): uPlot.Axis.Values {
  return (_, ticks) => {
    const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
    return ticks.map(seconds => {
      const text = momentText(seconds * 1000, utc);
      if (step >= dayS || text.slice(11, 19) === '00:00:00') return text.slice(5, 10);
      return step < 60 ? text.slice(11, 19) : text.slice(11, 16);
    });
  };
}

function axisCount(count: number): string {
  return Number.isInteger(count) ? Intl.NumberFormat('en-GB', { notation: 'compact' }).format(count) : '';
}

/** Stacked bars of status groups; dragging over them picks a range. */
export function Chart({ summary, dimmed }: { readonly summary: Summary | undefined; readonly dimmed: boolean }) {
  const { view } = usePage();
  const buckets = summary?.buckets;
  const [hovered, setHovered] = useState<number>();
  const box = usePlot(buckets, view.utc, setHovered);
  const bucket = hovered === undefined ? undefined : buckets?.[hovered];
  const bucketMs = summary?.bucketMs ?? 0;
  return (
    <div className={dimmed ? 'chart dimmed' : 'chart'}>
      <div ref={box} className="plot" role="img" aria-label={chartText(summary, view.utc)} />
      {summary !== undefined && buckets === undefined && (
        <p className="chart-missing">The course over time could not be counted in time.</p>
      )}
      <p className="hovered" aria-hidden="true">
        {bucket === undefined ? 'Drag to pick a range.' : bucketText(bucket, bucketMs, view.utc)}
      </p>
    </div>
  );
}

function bucketText({ fromMs, groups }: Buckets[number], bucketMs: number, utc: boolean): string {
  const span = `${momentText(fromMs, utc).slice(5, 19)} – ${momentText(fromMs + bucketMs, utc).slice(11, 19)}`;
  const counts = groupNames
    .filter(name => groups[name] > 0)
    .map(name => `${name.toLowerCase()} ${countText(groups[name])}`);
  return `${span}: ${counts.length === 0 ? 'none' : counts.join(', ')}`;
}

function chartText(summary: Summary | undefined, utc: boolean): string {
  if (summary?.buckets === undefined) return 'Messages over time: not known';
  const totals = groupNames.map(name => {
    const sum = summary.buckets?.reduce((all, { groups }) => all + groups[name], 0) ?? 0;
    return `${name.toLowerCase()} ${countText(sum)}`;
  });
  return `Messages over time, ${momentText(summary.fromMs, utc)} to ${momentText(summary.toMs, utc)}: ${totals.join(', ')}`;
}

function usePlot(buckets: Buckets | undefined, utc: boolean, onHover: (index: number | undefined) => void) {
  const { change } = usePage();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(buckets);
  latest.current = buckets;
  const known = buckets !== undefined;
  const theme = useThemeCount();
  useEffect(() => {
    const element = box.current;
    if (element === null || !known || latest.current === undefined) return;
    void theme;
    const onSelect = (since: number, until: number) =>
      change(view => ({ ...view, range: { sinceMs: Math.floor(since), untilMs: Math.ceil(until) } }));
    const created = new uPlot(optionsOf(element, utc, { onHover, onSelect }), dataOf(latest.current), element);
    plot.current = created;
    const observer = new ResizeObserver(() =>
      created.setSize({ width: Math.max(element.clientWidth, 200), height: heightPx }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
    };
  }, [known, utc, change, onHover, theme]);
  useEffect(() => {
    if (buckets !== undefined) plot.current?.setData(dataOf(buckets));
  }, [buckets]);
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

import uPlot from 'uplot';
import type { Summary } from '../../../../src/client/index.ts';
import { dayText, momentText, msOf } from '../../view/format.ts';
import { type GroupName, groupNames } from '../../view/view.ts';
import { type Zone, zoneName } from '../../view/zone.ts';
import { type Bar, stretchOf } from './bars.ts';

/** Bars stand on one another: each series is the sum of itself and those below, the whole drawn first. */
const drawn: readonly GroupName[] = groupNames.toReversed();

export function dataOf(bars: readonly Bar[], before: readonly (number | null)[]): uPlot.AlignedData {
  const sums = drawn.map((_, index) => {
    const below = drawn.slice(index);
    return bars.map(({ groups }) => (groups === undefined ? null : below.reduce((sum, name) => sum + groups[name], 0)));
  });
  return [bars.map(bar => bar.fromMs / 1000), ...sums, bars.map((_, index) => before[index] ?? null)];
}

/** As the page has it; `kept` also where a browser takes colours of its own: it means something. */
function colourOf(element: HTMLElement, variable: string, kept = false): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${variable})`;
  if (kept) probe.style.setProperty('forced-color-adjust', 'none');
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A stretch of time of which messages are missing. */
export type Missing = { readonly fromMs: number; readonly untilMs: number };

export function missingOf({ gaps = [] }: Summary): readonly Missing[] {
  return gaps.map(gap => ({ fromMs: msOf(gap.from), untilMs: msOf(gap.to) }));
}

export type Reactions = {
  /** Asked for each time that the chart is drawn. */
  readonly missing: () => readonly Missing[];
  readonly bucketMs: () => number;
  readonly onHover: (index: number | undefined) => void;
  readonly onSelect: (sinceMs: number, untilMs: number) => void;
};

export function optionsOf(element: HTMLElement, remPx: number, zone: Zone, on: Reactions): uPlot.Options {
  // As wide as what it counts, whatever that is, but for the line that tells two bars apart.
  const bars = uPlot.paths.bars?.({ size: [1, Number.POSITIVE_INFINITY], gap: 1, align: 1 });
  const steps = uPlot.paths.stepped?.({ align: 1 });
  const stroke = colourOf(element, '--quiet');
  const grid = { stroke: colourOf(element, '--line'), width: 1 };
  const font = `${Math.round(remPx * 0.85)}px system-ui, sans-serif`;
  return {
    width: Math.max(element.clientWidth, 200),
    height: element.clientHeight,
    padding: [8, Math.round(remPx * 2), 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), zoneName(zone)),
    scales: {
      // Each bar begins at its moment: without room for it the newest one, which moves, would lie outside.
      x: { range: (_, min, max) => [min, max + on.bucketMs() / 1000] },
      y: { range: (_, __, max) => [0, Math.max(max, 1)] },
    },
    axes: [
      { stroke, grid: { show: false }, ticks: grid, font, size: remPx * 2, values: axisTimes(zone) },
      { stroke, grid, ticks: { show: false }, font, size: remPx * 4, values: (_, ticks) => ticks.map(axisCount) },
    ],
    series: [
      {},
      ...drawn.map(name => ({
        fill: colourOf(element, `--bar-${name.toLowerCase()}`, true),
        width: 0,
        points: { show: false },
        ...(bars !== undefined && { paths: bars }),
      })),
      {
        stroke: colourOf(element, '--text'),
        width: 1.5,
        dash: [5, 3],
        points: { show: false },
        ...(steps !== undefined && { paths: steps }),
      },
    ],
    hooks: {
      drawAxes: [plot => shadeUnknown(plot, grid.stroke)],
      draw: [plot => shadeMissing(plot, on.missing(), colourOf(element, '--bad', true))],
      setCursor: [plot => on.onHover(barAt(plot))],
      ready: [plot => goOnClick(plot, on)],
      setSelect: [
        plot => {
          const { left, width } = plot.select;
          if (width < clickPx) return;
          const at = (px: number) => plot.posToVal(px, 'x') * 1000;
          const starts = Array.from(plot.data[0], seconds => seconds * 1000);
          const stretch = stretchOf(starts, on.bucketMs(), at(left), at(left + width));
          if (stretch !== undefined) on.onSelect(...stretch);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Dragging over less than this is a click. */
const clickPx = 4;

/** A click on a bar goes there. */
function goOnClick(plot: uPlot, { bucketMs, onSelect }: Reactions): void {
  let downPx: number | undefined;
  plot.over.addEventListener('mousedown', event => {
    downPx = event.clientX;
  });
  plot.over.addEventListener('click', event => {
    const index = barAt(plot);
    const fromS = plot.data[0][index ?? -1];
    if (fromS === undefined || downPx === undefined || Math.abs(event.clientX - downPx) >= clickPx) return;
    // One bar alone is as near as it gets.
    if (plot.data[0].length > 1) onSelect(fromS * 1000, fromS * 1000 + bucketMs());
  });
}

/** The bar under the pointer: `idx` is the nearest one, which in the right half of a bar is the next. */
function barAt(plot: uPlot): number | undefined {
  const { idx, left } = plot.cursor;
  const fromS = plot.data[0][idx ?? -1];
  if (idx === null || idx === undefined || left === undefined || fromS === undefined) return undefined;
  return fromS > plot.posToVal(left, 'x') ? Math.max(idx - 1, 0) : idx;
}

/** What could not be counted is grey, and not empty. */
function shadeUnknown(plot: uPlot, colour: string): void {
  const [times, whole] = plot.data;
  const first = whole?.findIndex(count => count !== null) ?? 0;
  if (first === 0) return;
  const known = first === -1 ? undefined : times[first];
  const end = known === undefined ? plot.bbox.left + plot.bbox.width : plot.valToPos(known, 'x', true);
  plot.ctx.save();
  plot.ctx.globalAlpha = 0.6;
  plot.ctx.fillStyle = colour;
  plot.ctx.fillRect(plot.bbox.left, plot.bbox.top, end - plot.bbox.left, plot.bbox.height);
  plot.ctx.restore();
}

/** What a gap takes in is striped: the bars in it are no whole ones. */
function shadeMissing(plot: uPlot, missing: readonly Missing[], colour: string): void {
  const { left, top, width, height } = plot.bbox;
  const stripePx = 7 * devicePixelRatio;
  for (const { fromMs, untilMs } of missing) {
    const [from, until] = [fromMs, untilMs].map(ms => plot.valToPos(ms / 1000, 'x', true));
    if (from === undefined || until === undefined || until <= left || from >= left + width) continue;
    const start = Math.max(from, left);
    // A gap that is shorter than a pixel is one all the same.
    const end = Math.min(Math.max(until, start + 3 * devicePixelRatio), left + width);
    plot.ctx.save();
    plot.ctx.beginPath();
    plot.ctx.rect(start, top, end - start, height);
    plot.ctx.clip();
    plot.ctx.strokeStyle = colour;
    plot.ctx.globalAlpha = 0.55;
    plot.ctx.lineWidth = 1.5 * devicePixelRatio;
    plot.ctx.beginPath();
    for (let x = start - height; x < end; x += stripePx) {
      plot.ctx.moveTo(x, top + height);
      plot.ctx.lineTo(x + height, top);
    }
    plot.ctx.stroke();
    plot.ctx.restore();
  }
}

const dayS = 86_400;

function axisTimes(zone: Zone): uPlot.Axis.Values {
  return (_, ticks) => {
    const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
    return ticks.map(seconds => {
      const text = momentText(seconds * 1000, zone);
      if (step >= dayS || text.slice(11, 19) === '00:00:00') return dayText(seconds * 1000, zone);
      return step < 60 ? text.slice(11, 19) : text.slice(11, 16);
    });
  };
}

function axisCount(count: number): string {
  return Number.isInteger(count) ? Intl.NumberFormat('en-GB', { notation: 'compact' }).format(count) : '';
}

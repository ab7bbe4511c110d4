import { inputMoment, inputText } from './format.ts';
import type { Zone } from './zone.ts';

const minuteMs = 60_000;
const dayMinutes = 1440;

/** `today` begins at midnight, by the clock that times are shown by. */
export const presets = {
  '15m': 15,
  '1h': 60,
  '6h': 360,
  today: 'today',
  '24h': dayMinutes,
  '48h': 2 * dayMinutes,
  '7d': 7 * dayMinutes,
  '30d': 30 * dayMinutes,
  '90d': 90 * dayMinutes,
  '1y': 365 * dayMinutes,
  all: 'all',
} as const;
export type Preset = keyof typeof presets;
export const presetLabels: Readonly<Record<Preset, string>> = {
  '15m': '15 min',
  '1h': '1 h',
  '6h': '6 h',
  today: 'Today',
  '24h': '24 h',
  '48h': '48 h',
  '7d': '7 d',
  '30d': '30 d',
  '90d': '90 d',
  '1y': '1 y',
  all: 'All',
};
export const rangeDefault: Preset = '48h';

export function isPreset(text: string): text is Preset {
  return Object.hasOwn(presets, text);
}

/** Those that are worth offering where the log goes back so far: beyond that all are the whole. A link may choose one of them. */
export function presetsWithin(retentionMs: number, chosen?: Preset): readonly Preset[] {
  return Object.keys(presets)
    .filter(isPreset)
    .filter(name => {
      const minutes = presets[name];
      return (
        name === chosen || typeof minutes === 'string' || minutes <= 2 * dayMinutes || minutes * minuteMs < retentionMs
      );
    });
}

/** The newest so long, or from one moment (inclusive) to another (exclusive), in milliseconds of the epoch. */
export type Range =
  | { readonly last: Preset }
  | { readonly sinceMs?: number | undefined; readonly untilMs?: number | undefined };

/** A range, and whose clock it is read by. */
export type Ranged = { readonly range: Range; readonly zone: Zone };

/** Why no moment is in a range; `undefined` where there is one. */
export function rangeFlaw(sinceMs: number, untilMs: number): string | undefined {
  return sinceMs < untilMs ? undefined : `The range ends ${untilMs < sinceMs ? 'before' : 'where'} it begins.`;
}

/** Whether messages sent from now on can belong to the view. */
export function isOpenEnded(range: Range): boolean {
  return 'last' in range || range.untilMs === undefined;
}

/** The moments of a range. A relative one begins on a whole minute, which the server's ready-made counts do too. */
export function boundsOf(
  { range, zone }: Ranged,
  nowMs: number,
): { readonly sinceMs?: number; readonly untilMs?: number } {
  if ('last' in range) {
    const minutes = presets[range.last];
    if (minutes === 'all') return {};
    if (minutes === 'today') return { sinceMs: midnightBefore(nowMs, zone) };
    return { sinceMs: Math.floor(nowMs / minuteMs - minutes + minutesSpared(minutes)) * minuteMs };
  }
  const { sinceMs, untilMs } = range;
  return { ...(sinceMs !== undefined && { sinceMs }), ...(untilMs !== undefined && { untilMs }) };
}

/** Whether all that a range meant at a moment lies before what it means now: midnight has passed, or as long as it is. */
export function isOver(ranged: Ranged, atMs: number, nowMs: number): boolean {
  const { sinceMs } = boundsOf(ranged, nowMs);
  return 'last' in ranged.range && sinceMs !== undefined && sinceMs > atMs;
}

/**
 * A day begins a little late: the day before it is still whole where a log keeps two of them, and can be compared with.
 */
function minutesSpared(minutes: number): number {
  return minutes >= dayMinutes ? 2 : 0;
}

function midnightBefore(nowMs: number, zone: Zone): number {
  const midnight = inputMoment(`${inputText(nowMs, zone).slice(0, 10)}T00:00:00`, zone) ?? nowMs;
  // Where clocks are put forward at midnight there is none: the day begins an hour later.
  return Math.min(midnight, nowMs);
}

/** The view with the moments that its range means now; those of `whole` where it has no bound. */
export function fixed<V extends Ranged>(
  view: V,
  nowMs: number,
  whole: Readonly<Record<'sinceMs' | 'untilMs', number>>,
): V {
  const { sinceMs = whole.sinceMs, untilMs = whole.untilMs } = boundsOf(view, nowMs);
  return { ...view, range: { sinceMs, untilMs: Math.max(untilMs, sinceMs + 1) } };
}

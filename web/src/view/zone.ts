import { wallMs as clockMs, clockOf, momentOf as momentShown } from '../../../src/client/wall-clock.ts';

/** Whose clock times are shown by: the browser's own (`local`), or that of a zone such as `UTC` or `Europe/Zagreb`. */
export type Zone = string;

export const localZone: Zone = 'local';
export const utcZone: Zone = 'UTC';

/** All zones that this browser knows, by name. */
export function zoneNames(): readonly string[] {
  return Intl.supportedValuesOf('timeZone');
}

export { isTimeZone as isZone } from '../../../src/client/wall-clock.ts';

/** The name that the rest of the world has for it. */
export function zoneName(zone: Zone): string {
  return zone === localZone ? (Intl.DateTimeFormat().resolvedOptions().timeZone ?? localZone) : zone;
}

/** `Zagreb`, or `UTC`: short enough for the head of a column. */
export function zonePlace(zone: Zone): string {
  return zoneName(zone).split('/').at(-1)?.replaceAll('_', ' ') ?? '';
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** What the clock of a zone shows at a moment, as the moment at which the clock of UTC shows the same. */
export function wallMs(ms: number, zone: Zone): number {
  if (zone === utcZone) return ms;
  if (zone === localZone) return ms - new Date(ms).getTimezoneOffset() * 60_000;
  const clock = clocks.get(zone) ?? clockOf(zone);
  clocks.set(zone, clock);
  return clockMs(ms, clock);
}

/**
 * The moment at which the clock of a zone shows something: the first one when it shows it twice, the one that it would have
 * been without the change of clocks when it never does.
 */
export function momentOf(wall: number, zone: Zone): number {
  return momentShown(wall, ms => wallMs(ms, zone));
}

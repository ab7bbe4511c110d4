import { wallMs as clockMs, clockOf, isTimeZone, momentsOf as momentsShown } from '../../../src/client/wall-clock.ts';

/** Whose clock times are shown by: the browser's own (`local`), or that of a zone such as `UTC` or `Europe/Zagreb`. */
export type Zone = string;

export const localZone: Zone = 'local';
export const utcZone: Zone = 'UTC';

/** Names that people look for, and that browsers take but list by older ones: `Asia/Calcutta`. */
const newerNames = [
  'America/Nuuk',
  'Asia/Ho_Chi_Minh',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Asia/Yangon',
  'Atlantic/Faroe',
  'Europe/Kyiv',
];

/** All zones that this browser lists, by name, the newer names of some, and the one that is chosen. */
export function zoneNames(chosen: Zone): readonly string[] {
  const newer = newerNames.filter(isTimeZone);
  const others = chosen === localZone || chosen === utcZone ? [] : [chosen];
  return [...new Set([...Intl.supportedValuesOf('timeZone'), ...newer, ...others])].sort();
}

export const isZone = isTimeZone;

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
 * The moments at which the clock of a zone shows something, in their order: two where it is put back, the one that it would
 * have been without the change of clocks where it never does.
 */
export function momentsOf(wall: number, zone: Zone): readonly [number, ...number[]] {
  return momentsShown(wall, ms => wallMs(ms, zone));
}

/** The first of these moments. */
export function momentOf(wall: number, zone: Zone): number {
  return momentsOf(wall, zone)[0];
}

/** How far the clock of a zone is ahead of UTC at a moment: `UTC+02:00`. */
export function offsetText(ms: number, zone: Zone): string {
  const minutes = Math.round((wallMs(ms, zone) - ms) / 60_000);
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? '−' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

/** Which of two moments it is, where the clock shows the same at both; else nothing. */
export function turnText(ms: number, zone: Zone): string {
  return momentsOf(wallMs(ms, zone), zone).length > 1 ? ` (${offsetText(ms, zone)})` : '';
}

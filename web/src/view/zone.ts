/** Whose clock times are shown by: the browser's own (`local`), or that of a zone such as `UTC` or `Europe/Zagreb`. */
export type Zone = string;

export const localZone: Zone = 'local';
export const utcZone: Zone = 'UTC';

/** All zones that this browser knows, by name. */
export function zoneNames(): readonly string[] {
  return Intl.supportedValuesOf('timeZone');
}

export function isZone(name: string): boolean {
  try {
    Intl.DateTimeFormat('en-GB', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The name that the rest of the world has for it. */
export function zoneName(zone: Zone): string {
  return zone === localZone ? (Intl.DateTimeFormat().resolvedOptions().timeZone ?? localZone) : zone;
}

/** `Zagreb`, or `UTC`: short enough for the head of a column. */
export function zonePlace(zone: Zone): string {
  return zoneName(zone).split('/').at(-1)?.replaceAll('_', ' ') ?? '';
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: Zone): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    clocks.set(zone, clock);
  }
  return clock;
}

/** What the clock of a zone shows at a moment, as the moment at which the clock of UTC shows the same. */
export function wallMs(ms: number, zone: Zone): number {
  if (zone === utcZone) return ms;
  if (zone === localZone) return ms - new Date(ms).getTimezoneOffset() * 60_000;
  const parts = new Map(
    clockOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return wall + (((ms % 1000) + 1000) % 1000);
}

/**
 * The moment at which the clock of a zone shows something: the first one when it shows it twice, the one that it would have
 * been without the change of clocks when it never does.
 */
export function momentOf(wall: number, zone: Zone): number {
  const offsets = [wall - 86_400_000, wall + 86_400_000].map(ms => wallMs(ms, zone) - ms);
  const candidates = offsets.map(offset => wall - offset);
  const [before = wall] = candidates;
  return candidates.filter(ms => wallMs(ms, zone) === wall).sort((a, b) => a - b)[0] ?? before;
}

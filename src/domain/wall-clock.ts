import type { EpochMs } from './message.ts';

const dayMs = 86_400_000;

/** Whether there is a time zone of this name, such as `Europe/Zagreb`. */
export function isTimeZone(name: string): boolean {
  try {
    return clockOf(name) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The clock of a time zone, for `wallMs`. Throws a `RangeError` for a name that is no zone's. */
export function clockOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}

/** What a clock shows at a moment, as the moment at which the clock of UTC shows the same. */
export function wallMs(moment: EpochMs, clock: Intl.DateTimeFormat): number {
  const parts = new Map(clock.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return wall + (((moment % 1000) + 1000) % 1000);
}

/**
 * The moments at which a clock, which `shownAt` reads, shows something, in their order: two where it is put back, the one
 * that it would have been without the change of clocks where it never does.
 */
export function momentsOf(wall: number, shownAt: (moment: EpochMs) => number): readonly [EpochMs, ...EpochMs[]] {
  const offsets = [wall - dayMs, wall + dayMs].map(near => shownAt(near) - near);
  const candidates = offsets.map(offset => wall - offset);
  const [first, ...others] = candidates.filter(candidate => shownAt(candidate) === wall).sort((a, b) => a - b);
  if (first === undefined) return [candidates[0] ?? wall];
  return [first, ...others.filter(other => other !== first)];
}

/** The first of these moments. */
export function momentOf(wall: number, shownAt: (moment: EpochMs) => number): EpochMs {
  return momentsOf(wall, shownAt)[0];
}

/** When the clock of a time zone showed the same so many days before, by `momentOf`. Throws as `clockOf` does. */
export function daysBefore(moment: EpochMs, days: number, timeZone: string): EpochMs {
  const clock = clockOf(timeZone);
  return momentOf(wallMs(moment, clock) - days * dayMs, near => wallMs(near, clock));
}

import type { EpochMs } from '../domain/message.ts';

/** 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what four digits of a year can write. */
export const earliestMs: EpochMs = -62_135_596_800_000;
export const latestMs: EpochMs = 253_402_300_799_999;

/** What `parseDateTime` takes, to be read after "must be". */
export const dateTimeRule = 'a date-time with an offset, such as 2023-02-01T23:15:03.379+0000';

const years = '(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])';
const days =
  `(?:${years}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))` +
  '|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)';
const times = '(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{0,9})?)?';
const offsets = '(?:[Zz]|[-+ ](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?)';

/** The same as a pattern. */
export const dateTimePattern = `^${days}[Tt]${times}${offsets}$`;

const dayMs = 86_400_000;
const minuteMs = 60_000;
const monthDays: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const offsetHoursMax = 18;
const colon = 0x3a;
/** Where the seconds of a date-time begin with their colon. */
const secondsAt = 16;

/**
 * The moment a date-time such as `2020-02-22T17:42:05.390+01:00` means, cut to the millisecond; `undefined` when it is
 * not one. Seconds may be missing, since Java leaves them out when they are 0; `T` and `Z` may be small. The offset is `Z`,
 * `+01`, `+0100` or `+01:00`, and must be there. A space stands for a `+` that a URL decoder has eaten. What an offset puts
 * before the first moment that can be written, or behind the last one, is that one.
 */
export function parseDateTime(text: string): EpochMs | undefined {
  const day = daysSinceEpoch(text);
  const time = timeOfDayMs(text);
  if (day === undefined || time === undefined) return undefined;
  const fractionEnd = text.charCodeAt(secondsAt) === colon ? endOfFraction(text) : secondsAt;
  let fractionMs = 0;
  for (let at = 20, weight = 100; at < fractionEnd && at < 23; at++, weight /= 10)
    fractionMs += (text.charCodeAt(at) - 0x30) * weight;
  const offset = offsetMs(text, fractionEnd);
  if (offset === undefined) return undefined;
  return Math.min(latestMs, Math.max(earliestMs, day * dayMs + time + fractionMs - offset));
}

/** `yyyy-MM-dd` at the start, of the real calendar. */
function daysSinceEpoch(text: string): number | undefined {
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return undefined;
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return undefined;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > (month === 2 && leap ? 29 : (monthDays[month - 1] ?? 0))) return undefined;
  // Counted from March, so that the leap day is a year's last.
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + (yearOfEra >> 2) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

/** `THH:mm` after the date, and `:ss` after that where there is a colon. */
function timeOfDayMs(text: string): number | undefined {
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = text.charCodeAt(secondsAt) === colon ? twoDigits(text, 17) : 0;
  if ((text.charCodeAt(10) | 0x20) !== 0x74 || text.charCodeAt(13) !== colon) return undefined;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return undefined;
  return hour * 3_600_000 + minute * 60_000 + second * 1000;
}

/** The offset that fills the rest of the text. */
function offsetMs(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at);
  const rest = text.length - at;
  if ((sign | 0x20) === 0x7a) return rest === 1 ? 0 : undefined;
  if (sign !== 0x2b && sign !== 0x2d && sign !== 0x20) return undefined;
  const hours = twoDigits(text, at + 1);
  let minutes = 0;
  if (rest === 5) minutes = twoDigits(text, at + 3);
  else if (rest === 6 && text.charCodeAt(at + 3) === colon) minutes = twoDigits(text, at + 4);
  else if (rest !== 3) return undefined;
  if (!(hours <= offsetHoursMax && minutes <= 59)) return undefined;
  return (hours * 60 + minutes) * (sign === 0x2d ? -60_000 : 60_000);
}

/** Where the offset begins, after up to nine fraction digits. */
function endOfFraction(text: string): number {
  if (text.charCodeAt(19) !== 0x2e) return 19;
  let end = 20;
  while (end < 29 && isDigit(text.charCodeAt(end))) end++;
  return end;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** `NaN`, which no range contains, where the two characters are not digits. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at);
  const ones = text.charCodeAt(at + 1);
  return isDigit(tens) && isDigit(ones) ? tens * 10 + ones - 0x210 : Number.NaN;
}

const padded2: readonly string[] = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'));
const fractions: readonly string[] = Array.from({ length: 1000 }, (_, ms) => `.${String(ms).padStart(3, '0')}+0000`);

/** `2023-02-01T23:15:03.379+0000`, in UTC. A `RangeError` outside `earliestMs` … `latestMs`. */
export function formatDateTime(moment: EpochMs): string {
  return new DateTimeWriter().write(moment);
}

/** Minutes whose texts are at hand: the logs of a page were mostly sent, and done, in a few. */
const minutesHeld = 64;

/** Writes date-times as `formatDateTime` does, faster when they lie close together, as those of a page do. */
export class DateTimeWriter {
  readonly #minutes = new Float64Array(minutesHeld).fill(Number.NaN);
  readonly #texts: string[] = new Array(minutesHeld).fill('');

  write(moment: EpochMs): string {
    const minute = Math.floor(moment / minuteMs);
    const place = minute & (minutesHeld - 1);
    if (minute !== this.#minutes[place]) {
      this.#texts[place] = minuteText(moment);
      this.#minutes[place] = minute;
    }
    const milliseconds = moment - minute * minuteMs;
    const seconds = Math.floor(milliseconds / 1000);
    return `${this.#texts[place]}${padded2[seconds]}${fractions[milliseconds - seconds * 1000]}`;
  }
}

/** `2023-02-01T23:15:` */
function minuteText(moment: EpochMs): string {
  if (!(moment >= earliestMs && moment <= latestMs))
    throw new RangeError(`${moment} is outside the years 0001 to 9999`);
  const days = Math.floor(moment / dayMs);
  const minutes = Math.floor((moment - days * dayMs) / minuteMs);
  const hours = Math.floor(minutes / 60);
  return `${dateText(days)}T${padded2[hours]}:${padded2[minutes - hours * 60]}:`;
}

/** By arithmetic, as `daysSinceEpoch`: a `Date` takes four times as long, and a page has two thousand of them. */
function dateText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const century = Math.floor(year / 100);
  return `${padded2[century]}${padded2[year - century * 100]}-${padded2[month]}-${padded2[day]}`;
}

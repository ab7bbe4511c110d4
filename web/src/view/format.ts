import type { DeliveryError, Log, Status } from '../../../src/client/index.ts';
import { momentsOf, turnText, wallMs, type Zone } from './zone.ts';

/** The moment that a date of the API names. Not every browser reads an offset without its colon. */
export function msOf(text: string): number {
  return Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
}

const partsOf = (ms: number, zone: Zone) => (Number.isNaN(ms) ? undefined : new Date(wallMs(ms, zone)).toISOString());

/** `2026-11-23 20:33:34.120` */
export function momentText(moment: string | number, zone: Zone): string {
  const ms = typeof moment === 'number' ? moment : msOf(moment);
  return partsOf(ms, zone)?.replace('T', ' ').slice(0, 23) ?? String(moment);
}

/** As `momentText`, with what tells it from another moment that has the same. */
export function clearMomentText(moment: string | number, zone: Zone): string {
  const ms = typeof moment === 'number' ? moment : msOf(moment);
  return momentText(moment, zone) + (Number.isNaN(ms) ? '' : turnText(ms, zone));
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** `23 Nov`, in words: whether a month or a day stands first differs from country to country. */
export function dayText(moment: string | number, zone: Zone): string {
  const text = momentText(moment, zone);
  return `${text.slice(8, 10)} ${months[Number(text.slice(5, 7)) - 1] ?? text.slice(5, 7)}`;
}

/** Within so long before now no day comes twice, whatever month it is. */
const yearlessMs = 335 * 86_400_000;

/** `23 Nov`, or `23 Nov 2025` where it could be taken for a day of another year. */
export function clearDayText(moment: string | number, zone: Zone, nowMs: number): string {
  const ms = typeof moment === 'number' ? moment : msOf(moment);
  const day = dayText(moment, zone);
  return Math.abs(nowMs - ms) < yearlessMs ? day : `${day} ${momentText(moment, zone).slice(0, 4)}`;
}

/** `23 Nov 20:33:34`: what tells rows of two days apart; `23 Nov 2025 20:33` where the year is needed more than seconds. */
export function shortMomentText(moment: string | number, zone: Zone, nowMs: number): string {
  const day = clearDayText(moment, zone, nowMs);
  return `${day} ${momentText(moment, zone).slice(11, day.length > 6 ? 16 : 19)}`;
}

/** `23 Nov 14:00 – 15:00`, `23 Nov 22:00 – 24 Nov 02:00`, or whole days as `23 Nov` and `23 Nov – 27 Nov`. */
export function spanText(fromMs: number, untilMs: number, zone: Zone, nowMs: number): string {
  const day = (ms: number) => clearDayText(ms, zone, nowMs);
  const seconds = [fromMs, untilMs].some(ms => ms % 60_000 !== 0);
  const time = (ms: number) => momentText(ms, zone).slice(11, seconds ? 19 : 16);
  const [first, last] = [day(fromMs), day(untilMs - 1)];
  if (time(fromMs).startsWith('00:00') && time(fromMs) === time(untilMs) && fromMs < untilMs)
    return first === last ? first : `${first} – ${last}`;
  const end = first === last ? '' : `${day(untilMs)} `;
  return `${first} ${time(fromMs)}${turnText(fromMs, zone)} – ${end}${time(untilMs)}${turnText(untilMs, zone)}`;
}

/** For an `<input type="datetime-local">`, to the second. */
export function inputText(ms: number, zone: Zone): string {
  return partsOf(ms, zone)?.slice(0, 19) ?? '';
}

/** What such an input may mean: two moments where clocks are put back, none when it is empty. */
export function inputMoments(text: string, zone: Zone): readonly number[] {
  const wall = Date.parse(`${text}Z`);
  return Number.isNaN(wall) ? [] : momentsOf(wall, zone);
}

/** The first of these moments. */
export function inputMoment(text: string, zone: Zone): number | undefined {
  return inputMoments(text, zone)[0];
}

const whole = new Intl.NumberFormat('en-GB');
export function countText(count: number): string {
  return whole.format(count);
}

export function percentText(part: number, all: number): string {
  if (all === 0) return '–';
  const percent = (part / all) * 100;
  // 100 % and 0 % are said only of all and none.
  const shown = Math.min(Math.max(percent, part > 0 ? 0.1 : 0), part < all ? 99.9 : 100);
  return `${shown.toFixed(part === 0 || part === all ? 0 : 1)} %`;
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** A figure that the server knows to within a hundredth, so with two digits: more would contradict the rows. */
export function roughText(ms: number): string {
  if (ms < 128) return durationText(ms);
  const unit = 10 ** (Math.floor(Math.log10(ms)) - 1);
  const rounded = Math.round(ms / unit) * unit;
  if (rounded < 1000) return `≈ ${rounded} ms`;
  if (rounded < 60_000) return `≈ ${(rounded / 1000).toFixed(rounded < 10_000 ? 1 : 0)} s`;
  return `≈ ${durationText(rounded).replace(/ 0 (s|min|h)$/, '')}`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(0)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** How long a message took to its end; `undefined` while it has not come to one. */
export function deliveryMs({ sentAt, doneAt }: Log): number | undefined {
  if (doneAt === undefined) return undefined;
  const ms = msOf(doneAt) - msOf(sentAt);
  return Number.isNaN(ms) ? undefined : ms;
}

/** How long a message took, in words; the clocks of those who report differ. */
export function tookText(ms: number): string {
  return ms < 0 ? 'before it was sent' : durationText(ms);
}

/** `UNDELIVERABLE_NOT_SENT` → `Undeliverable not sent` */
export function wordsOf(name: string): string {
  const words = name.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a code is called, also one that the server has no entry for. */
export function codeName({ name, id, groupName }: Status | DeliveryError): string {
  return name ?? (id === undefined ? (groupName ?? '?') : String(id));
}

/** `EC_BLOCKED_USER` → `Blocked user` */
export function errorWords(name: string): string {
  return wordsOf(inert(name.replace(/^EC_/, ''), name.length));
}

/** Characters that would not be seen, or that would turn around the text beside them; a line may end as Windows ends it. */
const unseen =
  /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** A text out of a message as it may stand on the page: what is unseen in it is named, what is too long is cut. */
export function inert(text: string, charsMax = 200): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return cut.replace(unseen, char => `‹U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`);
}

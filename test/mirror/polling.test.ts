import { expect, test } from 'vitest';
import { life } from '../../scripts/demo/life.ts';
import { Random } from '../../scripts/demo/random.ts';
import { limits } from '../../src/limits.ts';
import { advance } from '../../src/mirror/advance.ts';
import { type Slots, spending } from '../../src/mirror/budget.ts';
import { budgetOf, type Terms } from '../../src/mirror/pace.ts';
import { beginning } from '../../src/mirror/place.ts';
import { plan, type Question, settled } from '../../src/mirror/plan.ts';
import type { Followed } from '../../src/mirror/rows.ts';

const minute = 60_000;
const perSecond = 500;
const begunAt = Date.parse('2026-03-01T12:00:00Z');
const answerMs = 100;
const dueMax = 2000;

/** The log of another side that has of each message its number and when it is what: cheap enough for many minutes. */
class NumberedLog {
  readonly #finalAt: Float64Array;
  readonly #pendingUntil: Float64Array;

  constructor(count: number) {
    const random = new Random('numbered');
    this.#finalAt = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    this.#pendingUntil = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    for (let number = 0; number < count; number++) {
      const { refusedAs, steps } = life(this.sentAt(number), 1, random);
      for (const { at, status } of refusedAs === undefined ? steps : [refusedAs]) {
        if (status?.final === true) this.#finalAt[number] = Math.min(this.finalAt(number), at);
        if (status !== undefined && status.groupName !== 'PENDING')
          this.#pendingUntil[number] = Math.min(this.#pendingUntil[number] ?? at, at);
      }
    }
  }

  sentAt(number: number): number {
    return begunAt + number * (1000 / perSecond);
  }

  finalAt(number: number): number {
    return this.#finalAt[number] ?? Number.NaN;
  }

  answer({ messageIds, cursor, sentSince = begunAt, sentUntil = Infinity, generalStatus }: Question, now: number) {
    const seen = (number: number) => ({
      messageId: `m${number}`,
      sentAt: this.sentAt(number),
      isFinal: this.finalAt(number) <= now,
    });
    const page = messageIds?.map(id => seen(Number(id.slice(1)))) ?? [];
    if (messageIds !== undefined) return { seen: page, count: page.length, hasCursor: false };
    const before = Math.min(this.#firstFrom(Math.min(sentUntil, now + 1)), Number(cursor ?? Infinity));
    for (let number = before - 1; number >= this.#firstFrom(sentSince); number--) {
      if (generalStatus === 'PENDING' && (this.#pendingUntil[number] ?? 0) <= now) continue;
      if (page.length === limits.pageLogsMax)
        return { seen: page, count: page.length, hasCursor: true, next: String(number + 1) };
      page.push(seen(number));
    }
    return { seen: page, count: page.length, hasCursor: true };
  }

  #firstFrom(at: number): number {
    return Math.max(0, Math.min(this.#finalAt.length, Math.ceil(((at - begunAt) * perSecond) / 1000)));
  }
}

test('twelve minutes at 500 messages a second and 60 requests a minute → every end seen within 90 s, by counting', () => {
  const endsAt = begunAt + 12 * minute;
  const log = new NumberedLog(((endsAt - begunAt) * perSecond) / 1000);
  const terms: Terms = { requestsPerMinute: 60, sinceMs: 48 * 60 * minute, retentionMs: 30 * 24 * 60 * minute };
  const noted = () => new Float64Array((12 * minute * perSecond) / 1000).fill(Number.POSITIVE_INFINITY);
  const [keptAt, seenAt] = [noted(), noted()];
  const followed = new Map<string, Followed>();
  const asked: number[] = [];
  let [place, slots, now]: [typeof beginning, Slots, number] = [beginning, [], begunAt + 1000];
  while (now < endsAt) {
    const before = settled(place, now, terms);
    const at = now;
    const overdue = [...followed.values()].filter(one => one.dueAt <= at).sort((a, b) => a.dueAt - b.dueAt);
    const step = plan(before, overdue.slice(0, dueMax), now, terms);
    const next = step.kind === 'wait' ? step.ms : spending(slots, now, budgetOf(before, terms), step.isPatient);
    if (step.kind === 'wait' || typeof next === 'number') {
      now += Math.max(answerMs, Math.min(Number(next), 1000));
      continue;
    }
    slots = next;
    asked.push(now);
    const answer = log.answer(step.question, now);
    for (const { messageId, isFinal } of answer.seen) {
      const number = Number(messageId.slice(1));
      keptAt[number] = Math.min(keptAt[number] ?? now, now);
      if (isFinal) seenAt[number] = Math.min(seenAt[number] ?? now, now);
    }
    const moved = advance(before, step, answer, now, now, { ...terms, followed: followed.size });
    place = moved.place;
    for (const one of moved.follow) followed.set(one.messageId, one);
    for (const messageId of moved.unfollow) followed.delete(messageId);
    now += answerMs;
  }
  // The first minute is what it takes to see how much there is.
  const numbers = Array.from(keptAt.keys());
  const later = (number: number) => log.sentAt(number) > begunAt + minute;
  const lags = numbers
    .filter(number => later(number) && log.sentAt(number) < now - 90_000)
    .map(number => (keptAt[number] ?? Number.NaN) - log.sentAt(number));
  expect(lags.toSorted((a, b) => a - b)[Math.ceil(lags.length * 0.99) - 1]).toBeLessThanOrEqual(minute);
  const ended = numbers.filter(number => later(number) && log.finalAt(number) < now - 90_000);
  expect(ended.length).toBeGreaterThan(250_000);
  const late = ended.filter(number => (seenAt[number] ?? Number.NaN) - log.finalAt(number) > 90_000);
  expect(late).toEqual([]);
  for (const [i, madeAt] of asked.entries())
    expect((asked[i + 60] ?? Number.POSITIVE_INFINITY) - madeAt).toBeGreaterThanOrEqual(minute);
});

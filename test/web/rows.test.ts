import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Log, LogsPage } from '../../src/client/index.ts';
import { LogBook } from '../../web/src/log/book.ts';
import { LogWalk } from '../../web/src/log/walk.ts';
import { searchOf, viewOf } from '../../web/src/view/address.ts';
import { inert } from '../../web/src/view/format.ts';
import { breakdowns, comparisons, fields, groupNames, type View } from '../../web/src/view/view.ts';
import { isWords } from '../../web/src/view/written.ts';
import { instant } from './support/messages.ts';

const newestMs = Date.UTC(2026, 1, 1);
const status = { groupId: 1, groupName: 'PENDING', id: 26, name: 'PENDING_ACCEPTED', description: '' } as const;
const error = { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: '', permanent: false };

function logAt(index: number, messageId = `m-${index}`): Log {
  const sentAt = instant(newestMs - index * 1000);
  return {
    messageId,
    sender: 's',
    destination: 'd',
    sentAt,
    messageCount: 1,
    status,
    error,
    content: { type: 'TEXT' },
  };
}

/** A log of so many messages, and how often each of its pages was asked for. */
function paged(count: number, pageLogs = 200) {
  const asked: number[] = [];
  const fetchPage = async (cursor: string | undefined): Promise<LogsPage> => {
    const from = Number(cursor ?? 0);
    asked.push(from);
    const length = Math.min(pageLogs, count - from);
    const next = from + length < count ? { nextCursor: String(from + length) } : {};
    return {
      results: Array.from({ length }, (_, index) => logAt(from + index)),
      cursor: { limit: pageLogs, ...next },
    };
  };
  return { asked, fetchPage };
}

const settled = () => new Promise(resolve => setTimeout(resolve, 0));

describe('a walk', () => {
  test('through a million rows → each in its place, few of them in memory, and the first ones come back', async () => {
    const count = 1_000_000;
    const { asked, fetchPage } = paged(count, 1000);
    const walk = new LogWalk(
      fetchPage,
      () => true,
      () => undefined,
    );
    for (let reached = -1; !walk.ended; ) {
      walk.want(Math.max(0, walk.count - 30), walk.count + 30);
      while (walk.count === reached) await settled();
      reached = walk.count;
    }
    expect(walk.count).toBe(count);
    expect(walk.row(count - 1)?.messageId).toBe(`m-${count - 1}`);
    expect(asked).toHaveLength(1000);
    let held = 0;
    for (let index = 0; index < count; index += 1000) if (walk.row(index) !== undefined) held += 1;
    expect(held).toBeLessThanOrEqual(20);
    expect(walk.row(0)).toBeUndefined();
    walk.want(0, 30);
    await settled();
    expect(walk.row(0)?.messageId).toBe('m-0');
  });

  test('that finds nothing for long → stops and goes on when asked', async () => {
    const { asked, fetchPage } = paged(100_000, 1000);
    const walk = new LogWalk(
      fetchPage,
      () => false,
      () => undefined,
    );
    walk.want(0, 30);
    while (!walk.paused) await settled();
    expect(asked).toHaveLength(20);
    walk.retry();
    await settled();
    while (!walk.paused) await settled();
    expect(asked).toHaveLength(40);
  });

  test('one of whose rows changes while its page is on its way → has it as it is now', async () => {
    const { fetchPage } = paged(400);
    const answered = Promise.withResolvers<void>();
    const slow = async (cursor: string | undefined) => {
      const page = await fetchPage(cursor);
      if (cursor !== undefined) await answered.promise;
      return page;
    };
    const walk = new LogWalk(
      slow,
      () => true,
      () => undefined,
    );
    walk.want(0, 30);
    await settled();
    walk.want(150, 230);
    await settled();
    const delivered = { ...logAt(300), doneAt: instant(newestMs) };
    expect(walk.replace(delivered)).toBe(false);
    answered.resolve();
    await settled();
    expect(walk.row(300)).toBe(delivered);
    expect(walk.row(301)?.doneAt).toBeUndefined();
  });

  test('whose page is refused → keeps the reason and goes on when asked', async () => {
    let refused = true;
    const { fetchPage } = paged(10);
    const fetch = (cursor: string | undefined) => (refused ? Promise.reject(new Error('no')) : fetchPage(cursor));
    const walk = new LogWalk(
      fetch,
      () => true,
      () => undefined,
    );
    walk.want(0, 30);
    await settled();
    expect(walk.error).toEqual(new Error('no'));
    refused = false;
    walk.retry();
    await settled();
    expect(walk.count).toBe(10);
  });
});

describe('a book', () => {
  const ids = (book: LogBook) => Array.from({ length: book.count }, (_, index) => book.row(index)?.messageId);

  test('any order of arrivals, repeats and holds → each message once, newest first', async () => {
    const steps = fc.array(
      fc.record({ index: fc.integer({ min: -40, max: 9 }), hold: fc.boolean(), early: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(steps, async list => {
        const book = new LogBook(paged(10).fetchPage, () => true);
        for (const { index, early } of list) if (early) book.take(logAt(index));
        book.begin();
        await settled();
        for (const { index, hold, early } of list) {
          book.hold(hold);
          if (!early) book.take(logAt(index));
        }
        book.release();
        const arrived = new Set(list.map(({ index }) => index).filter(index => index < 0));
        const expected = [...arrived].sort((a, b) => a - b).map(index => `m-${index}`);
        expect(ids(book)).toEqual([...expected, ...Array.from({ length: 10 }, (_, index) => `m-${index}`)]);
      }),
    );
  });

  test('held still → counts what waits and moves nothing; more than is kept → is stale once released', async () => {
    const book = new LogBook(paged(3).fetchPage, () => true);
    book.begin();
    await settled();
    book.hold(true);
    const arrivals = Array.from({ length: 1200 }, (_, index) => logAt(-1 - index));
    // What is not kept is not remembered either: a page stands open for days.
    expect(arrivals.filter(log => book.take(log))).toEqual(arrivals.slice(0, 1000));
    expect(arrivals.filter(log => book.take(log))).toEqual([]);
    expect(ids(book)).toEqual(['m-0', 'm-1', 'm-2']);
    expect(book.waiting).toEqual({ count: 1000, orMore: true });
    book.release();
    expect(book.stale).toBe(true);
  });

  test('whatever changes what can be read of it → is another version at once, before listeners hear of it', async () => {
    const state = (book: LogBook) =>
      JSON.stringify([book.count, book.waiting, book.stale, book.changes, ids(book), book.row(0)?.status.groupName]);
    const step = fc.oneof(
      fc.integer({ min: -2000, max: 9 }).map(index => (book: LogBook) => book.take(logAt(index))),
      fc.integer({ min: 900, max: 1100 }).map(count => (book: LogBook) => {
        for (let i = 0; i < count; i++) book.take(logAt(-3000 - i));
      }),
      fc.boolean().map(holding => (book: LogBook) => book.hold(holding)),
      fc.constant((book: LogBook) => book.release()),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step), fc.boolean(), async (steps, begins) => {
        const book = new LogBook(paged(10).fetchPage, () => true);
        if (begins) {
          book.begin();
          await settled();
        }
        for (const take of steps) {
          const before = { state: state(book), version: book.version() };
          take(book);
          if (state(book) !== before.state) expect(book.version()).not.toBe(before.version);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('what is read and shown', () => {
  test('any view → is read back from its address', () => {
    const text = fc.tuple(fc.string({ minLength: 1 }));
    const conditions = fc
      .tuple(fc.dictionary(fc.constantFrom(...fields), text), fc.constantFrom(...groupNames))
      .map(([given, group]) => ({
        ...given,
        ...(given.generalStatus !== undefined && { generalStatus: [group] }),
        // What has no word, or more than can be looked for, is told as such: `test/page/search`.
        ...(given.text?.some(one => !isWords(one)) && { text: ['"out of" stock, é'] }),
      }));
    const moment = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined });
    const range = fc.oneof(
      fc.record({ last: fc.constantFrom('15m', 'today', '48h', '30d', 'all') }),
      fc.record({ sinceMs: fc.integer({ min: 0, max: 4e12 }), untilMs: moment }),
    );
    const open = fc.option(fc.string({ minLength: 1 }), { nil: undefined });
    const zone = fc.constantFrom('local', 'UTC', 'Europe/Berlin', 'Australia/Lord_Howe');
    const beside = fc.record(
      { compare: fc.constantFrom(...comparisons), by: fc.constantFrom(...breakdowns) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        conditions,
        range,
        zone,
        fc.boolean(),
        open,
        beside,
        (conditions, range, zone, live, open, beside) => {
          const view = { conditions, not: conditions, range, zone, live, open, ...beside } as View;
          expect(viewOf(searchOf(view))).toEqual({ ...view, conditions: { ...conditions }, not: { ...conditions } });
          expect(viewOf(searchOf(view)).ignored).toBeUndefined();
        },
      ),
    );
  });

  test('text that turns or hides what is beside it → is named', () => {
    expect(inert('a\u202eb\u200bc')).toBe('a‹U+202E›b‹U+200B›c');
    expect(inert('a\r\nb\nc\rd')).toBe('a\r\nb\nc‹U+000D›d');
    expect(inert('x'.repeat(500))).toHaveLength(201);
  });
});

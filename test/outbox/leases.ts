import { expect, it } from 'vitest';
import type { Outbox } from '../../src/outbox/outbox.ts';
import type { PostgresOutbox } from '../../src/outbox/postgres/engine.ts';
import { first, message, page, start, want } from './support.ts';

/** Outboxes of several processes over one database, and ways to reach into it. */
type Processes = (
  count: number,
  monotonicMs?: () => number,
) => Promise<{
  readonly outboxes: readonly PostgresOutbox[];
  readonly endLeases: () => Promise<unknown>;
  readonly query: (text: string) => Promise<unknown>;
  /** A connection that ends with the test. */
  readonly connect: () => Promise<{ query(text: string): Promise<unknown> }>;
}>;

/** Who has which pages and which steps, among processes that come, stop and go. */
export function leasesOfProcesses(processes: Processes): void {
  it('a process that joins while all pages are busy → is given its share of them, each once nothing of it is being sent', async () => {
    let now = 0;
    const { outboxes } = await processes(3, () => now);
    const [a, b, c] = [first(outboxes), first(outboxes.slice(1)), first(outboxes.slice(2))];
    const pages = Array.from({ length: 6 }, (_, index) => `page-${index}`);
    const messages = pages.flatMap(sender =>
      Array.from({ length: 3 }, (_, index) => message(`${sender} ${index}`, { sender, destination: `p${index}` })),
    );
    await a.add({ account: 1, messages, now: start });
    const held = async (outbox: Outbox) => (await outbox.waiting(start)).pages.map(one => one.sender);
    expect(await held(a)).toEqual(pages);
    const claimed = await a.claim(
      pages.map(sender => ({ ...want, sender, count: 1 })),
      start,
    );
    expect(claimed).toHaveLength(6);
    /** Time enough that all have looked at what they have and what they lack. */
    const pass = async (...those: readonly Outbox[]) => {
      for (let turn = 0; turn < 4; turn++) {
        now += 2001;
        for (const one of those) await one.waiting(start);
      }
    };
    await pass(a, b);
    // What it has begun to send over it keeps until that is settled, but begins nothing more there.
    expect(await held(b)).toEqual([]);
    const left = await held(a);
    expect(left.length).toBeLessThan(6);
    await a.settle(
      claimed.map(({ id }) => ({ id, kind: 'done' })),
      start,
    );
    await pass(a, b);
    const [ofA, ofB] = [await held(a), await held(b)];
    expect([ofA.length, ofB.length]).toEqual([3, 3]);
    expect([...ofA, ...ofB].sort()).toEqual(pages);
    // Nobody has more or less by looking again, and whoever takes over claims what was behind.
    await pass(a, b);
    expect([await held(a), await held(b)]).toEqual([ofA, ofB]);
    const behind = await b.claim([{ ...want, sender: ofB[0] ?? '' }], start);
    expect(behind).toHaveLength(2);
    await b.settle(
      behind.map(({ id }) => ({ id, kind: 'again', dueAt: start, counts: false })),
      start,
    );
    await b.close();
    await pass(a, c);
    const shares = [await held(a), await held(c)];
    expect(shares.map(one => one.length)).toEqual([3, 3]);
  });

  it('a look that fails → what the process sends over is kept by it all the same', async () => {
    const { outboxes, endLeases, query } = await processes(2);
    const [a, b] = [first(outboxes), first(outboxes.slice(1))];
    await a.add({ account: 1, messages: [message('m1'), message('m2', { sender: 'of b' })], now: start });
    expect(await a.claim([want], start)).toHaveLength(1);
    expect(await b.claim([{ ...want, sender: 'of b' }], start)).toHaveLength(1);
    await endLeases();
    await query(
      `CREATE FUNCTION outbox_fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no message'; END $$;
       CREATE TRIGGER fail BEFORE UPDATE ON outbox_message EXECUTE FUNCTION outbox_fail()`,
    );
    // It finds what the other had claimed, and cannot say what became of it.
    await expect(a.waiting(start)).rejects.toThrow('no message');
    expect(await query("SELECT sender FROM outbox_page WHERE leased_until > '-infinity'")).toEqual([{ sender: page }]);
  });

  it('a page that a process was leaving and has let go of → it never waits for its row', async () => {
    let now = 0;
    const { outboxes, query, connect } = await processes(2, () => now);
    const [a, b] = [first(outboxes), first(outboxes.slice(1))];
    const pages = Array.from({ length: 6 }, (_, index) => `page-${index}`);
    await a.add({ account: 1, messages: pages.map(sender => message(sender, { sender })), now: start });
    await a.waiting(start);
    const claimed = await a.claim(
      pages.map(sender => ({ ...want, sender, count: 1 })),
      start,
    );
    await b.waiting(start);
    const renewed = async () => {
      now += 2001;
      return (await a.waiting(start)).pages;
    };
    await renewed();
    // Of those that it begins to leave one has nothing to send any more.
    const ended = claimed.filter(one => one.sender === pages[0]);
    await a.settle(
      ended.map(({ id }) => ({ id, kind: 'done' })),
      start,
    );
    await renewed();
    expect(await query('SELECT sender FROM outbox_page WHERE holder IS NULL')).toEqual([{ sender: pages[0] }]);
    const other = await connect();
    await other.query(`BEGIN; SELECT FROM outbox_page WHERE sender = '${pages[0]}' FOR UPDATE`);
    now += 101;
    await a.waiting(start);
  });

  it('a process that stops while it is telling → what it was telling is told by another, which waits for no row of it', async () => {
    const { outboxes, query, connect } = await processes(2);
    const [a, b] = [first(outboxes), first(outboxes.slice(1))];
    await a.add({ account: 1, messages: [message('m1')], now: start });
    expect(await a.untold(10)).toHaveLength(1);
    await query("UPDATE outbox_telling SET taken_until = '-infinity'");
    const stopped = await connect();
    await stopped.query('BEGIN; SELECT FROM outbox_telling FOR UPDATE');
    expect((await b.untold(10)).map(one => one.submission.messageId)).toEqual(['m1']);
    await stopped.query('COMMIT');
    await b.untold(10);
    expect(await query('SELECT count(*)::int AS count FROM outbox_telling')).toEqual([{ count: 1 }]);
  });
}

import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { limits } from '../../src/limits.ts';
import type { Outbox } from '../../src/outbox/outbox.ts';
import { PostgresOutbox } from '../../src/outbox/postgres/engine.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { KeptTables } from '../support/kept-tables.ts';
import { Line } from '../support/line.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { sendingConformance } from './conformance.ts';
import { leasesOfProcesses } from './leases.ts';
import { receiptConformance } from './receipts.ts';
import { reportConformance } from './reports.ts';
import { accounts, blocked, first, idsOf, message, page, record, start, tellAll, want } from './support.ts';

let server: PostgresServer;
let url: string;
let tables: KeptTables;
let schemas = 0;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  url = await server.database();
  tables = new KeptTables(server);
  return () => server.remove();
});

const makePlace = async () => {
  const target = await tables.take();
  const connections = () => new Connections({ ...target, statementTimeoutMs: 10_000, max: 4, note: () => {} });
  return {
    open: async () => new PostgresOutbox(connections()),
    remove: () => tables.giveBack(target),
  };
};

sendingConformance('PostgreSQL', makePlace);
receiptConformance('PostgreSQL', makePlace);
reportConformance('PostgreSQL', makePlace);

/** Outboxes of several processes over one database, and a way to have the time of all leases run out. */
async function processes(count: number, monotonicMs?: () => number) {
  const schema = `together_${++schemas}`;
  await migrate({ url, schema }, () => {});
  const outboxes = Array.from({ length: count }, () => {
    const connections = new Connections({ url, schema, statementTimeoutMs: 10_000, max: 4, note: () => {} });
    const outbox = new PostgresOutbox(connections, monotonicMs);
    onTestFinished(() => outbox.close());
    return outbox;
  });
  const endLeases = () => server.query(`UPDATE ${schema}.outbox_page SET leased_until = '-infinity'`, url);
  const query = (text: string) => server.query(text.replaceAll('outbox_', `${schema}.outbox_`), url);
  const connect = async () => {
    const connection = await server.connect(url);
    onTestFinished(() => connection.end());
    await connection.query(`SET search_path = ${schema}`);
    return connection;
  };
  return { outboxes, endLeases, query, connect };
}

leasesOfProcesses(processes);

it('reports that an older program made → filtered as before, and no text fails the filter', async () => {
  const { outboxes } = await processes(1);
  const outbox = first(outboxes);
  const schema = `together_${schemas}`;
  const of = { end: blocked, bulkId: 'b', entityId: 'e' };
  const messages = [message('m1', of), message('m2', { ...of, reports: { callbackData: '\u0000' } })];
  await outbox.add({ account: 1, messages, now: start });
  await tellAll(outbox);
  await server.query(`UPDATE ${schema}.outbox_report SET has_fields = false, bulk_id = NULL, entity_id = NULL`, url);
  const taken = await outbox.takeReports({ account: 1, limit: 10, bulkId: 'b', entityId: 'e' });
  expect(taken.map(one => one.message.messageId)).toEqual(['m1']);
  expect(await outbox.takeReports({ account: 1, limit: 10 })).toHaveLength(1);
});

it('reports that a caller takes slowly → stay his for as long as his process is at it; then the next caller’s, and no third’s', async () => {
  const { outboxes } = await processes(2);
  const [a, b] = [first(outboxes), first(outboxes.slice(1))];
  const schema = `together_${schemas}`;
  const all = { account: 1, limit: 10 } as const;
  await a.add({ account: 1, messages: [message('m1', { end: blocked }), message('m2', { end: blocked })], now: start });
  await tellAll(a);
  const ids = (await a.takeReports(all)).map(one => one.id);
  const ended = "taken_until < clock_timestamp() + interval '1 second'";
  const endTaking = () => server.query(`UPDATE ${schema}.outbox_report SET taken_until = clock_timestamp()`, url);
  await endTaking();
  // Renewed with the leases of the pages, as a server does all the time.
  await expect
    .poll(async () => {
      await a.waiting(start);
      return (await server.query(`SELECT count(*)::int AS ended FROM ${schema}.outbox_report WHERE ${ended}`, url))[0];
    })
    .toEqual({ ended: 0 });
  expect(await b.takeReports(all)).toEqual([]);
  await endTaking();
  expect((await b.takeReports(all)).map(one => one.id)).toEqual(ids);
  // The first comes back, and has nothing to give back any more.
  await a.reportsGivenBack(ids);
  expect(await a.takeReports(all)).toEqual([]);
  await b.reportsGiven(ids);
  expect((await a.stats()).openReports).toBe(0);
});

it('a page → sent over by one process at a time; when its lease ends, what it had claimed is held or sent again', async () => {
  for (const how of ['hold', 'requeue'] as const) {
    const { outboxes, endLeases } = await processes(2);
    const [a, b] = [first(outboxes), first(outboxes.slice(1))];
    for (const one of outboxes) await one.recover(how, start);
    const messages = [message('m1'), message('m2', { destination: 'p2' }), message('m3')];
    await a.add({ account: 1, messages, now: start });
    const [claimed] = await a.claim([{ ...want, count: 1 }], start);
    expect(claimed?.message.messageId).toBe('m1');
    expect(await b.claim([want], start)).toEqual([]);
    expect((await b.waiting(start)).pages).toEqual([]);
    await b.unclaim([]);
    expect((await b.stats()).sending).toBe(1);
    await endLeases();
    await expect.poll(async () => (await b.waiting(start)).pages).toMatchObject([{ sender: page, lane: 'text' }]);
    expect(idsOf(await b.claim([want], start)).sort()).toEqual(how === 'hold' ? ['m2'] : ['m1', 'm2']);
    expect(await a.claim([want], start)).toEqual([]);
    // The first was not gone after all: its answer proves that what it had claimed was sent.
    await a.settle([{ id: claimed?.id ?? 0, kind: 'sent', mid: 'mid1' }], start + 10);
    const told = Map.groupBy(await tellAll(a), one => one.messageId);
    expect(record(told.get('m1') ?? []).status).toBe(how === 'hold' ? 'PENDING_ENROUTE' : 'PENDING_ACCEPTED');
    expect((await b.stats()).unknown).toBe(0);
    expect(idsOf(await b.claim([want], start + limits.conversationHoldMs))).toEqual(how === 'hold' ? ['m3'] : []);
  }
});

it('a process that is frozen when it has just asked what to tell → keeps no other from telling', async () => {
  const line = await Line.to(server.port);
  onTestFinished(() => line.close());
  const schema = `together_${++schemas}`;
  await migrate({ url, schema }, () => {});
  const through = new URL(url);
  through.port = String(line.port);
  const terms = { schema, statementTimeoutMs: 10_000, max: 4, note: () => {} };
  // What freezes is the line: nothing but the question is to go over it.
  const frozen = new PostgresOutbox(new Connections({ ...terms, max: 1, url: through.href }));
  const other = new PostgresOutbox(new Connections({ ...terms, url }));
  onTestFinished(async () => {
    await other.close();
    line.cut();
    await frozen.close();
  });
  await frozen.add({ account: 1, messages: [message('m1')], now: start });
  expect(await frozen.untold(10)).toHaveLength(1);
  await other.add({ account: 1, messages: [message('m2')], now: start });
  line.freezesAfterNext = true;
  const lost = frozen.untold(10).catch(error => error);
  const taken = `SELECT cardinality(messages) AS count FROM ${schema}.outbox_telling`;
  await expect.poll(() => server.query(taken, url)).toEqual([{ count: 2 }]);
  await other.add({ account: 1, messages: [message('m3')], now: start });
  expect((await other.untold(10)).map(one => one.submission.messageId)).toEqual(['m3']);
  await server.query(`UPDATE ${schema}.outbox_telling SET taken_until = '-infinity'`, url);
  const told = (await other.untold(10)).map(one => one.submission.messageId);
  expect(told.toSorted()).toEqual(['m1', 'm2', 'm3']);
  line.cut();
  expect(await lost).toBeInstanceOf(Unavailable);
});

it('a claim that is still being kept when its connection breaks → given back once it is, also on a page that it took', async () => {
  const line = await Line.to(server.port);
  const schema = `together_${++schemas}`;
  await migrate({ url, schema }, () => {});
  const through = new URL(url);
  through.port = String(line.port);
  const terms = { schema, statementTimeoutMs: 10_000, max: 4, note: () => {} };
  const outbox = new PostgresOutbox(new Connections({ ...terms, url: through.href }));
  await outbox.add({ account: 1, messages: [message('m1')], now: start });
  // What is claimed is kept as slowly as this lock is held, however long the transaction would wait for one.
  await server.query(
    `CREATE FUNCTION ${schema}.slow() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock(${schemas}); RETURN NULL; END $$;
     CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON ${schema}.outbox_message DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.state = 2) EXECUTE FUNCTION ${schema}.slow()`,
    url,
  );
  const holder = await server.connect(url);
  await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${schemas})`);
  const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const wait = (count: number) => expect.poll(() => server.query(waiting, url)).toEqual([{ count }]);
  const claim = outbox.claim([want], start);
  const lost = expect(claim).rejects.toThrow(Unavailable);
  await wait(1);
  line.cut();
  await lost;
  const given = outbox.unclaim([]);
  await wait(2);
  await holder.end();
  await given;
  expect(await outbox.stats()).toMatchObject({ sending: 0, queued: 1 });
  expect(idsOf(await outbox.claim([want], start))).toEqual(['m1']);
  await outbox.close();
  await line.close();
});

it('a process that ends in order → the others need not wait for its leases', async () => {
  const { outboxes } = await processes(2);
  const [a, b] = [first(outboxes), first(outboxes.slice(1))];
  await a.add({ account: 1, messages: [message('m1'), message('m2', { destination: 'p2' })], now: start });
  await a.claim([{ ...want, count: 1 }], start);
  expect(await a.untold(1)).toHaveLength(1);
  await a.close();
  await expect.poll(async () => (await b.waiting(start)).pages).toHaveLength(1);
  expect(idsOf(await b.claim([want], start))).toEqual(['m2']);
  expect((await tellAll(b)).map(one => one.messageId)).toEqual(['m1', 'm2']);
});

it('what one process is telling → nobody else tells, nor what comes after it of the same message', async () => {
  const { outboxes } = await processes(2);
  const [a, b] = [first(outboxes), first(outboxes.slice(1))];
  await a.add({ account: 1, messages: [message('m1'), message('m2', { destination: 'p2' })], now: start });
  const [telling] = await a.untold(1);
  expect(telling?.submission.messageId).toBe('m1');
  const claimed = await a.claim([want], start);
  await a.settle(
    claimed.map(({ id }) => ({ id, kind: 'done' as const })),
    start,
  );
  expect((await b.untold(10)).map(one => one.submission.messageId)).toEqual(['m2', 'm2']);
  // What could not be told is given again.
  const again = await a.untold(10);
  expect(again.map(one => one.submission.messageId)).toEqual(['m1', 'm1']);
  // Once it is told, whoever hears more of it tells that.
  await a.told(
    again.map(one => one.id),
    start,
  );
  const known = claimed.map(({ message: one }) => one.messageId);
  await b.receive(
    known.map(metadata => ({ kind: 'echo', accounts, page, psid: 'p1', at: start, mid: `of ${metadata}`, metadata })),
    start,
  );
  const heard = (await b.untold(10)).map(one => one.submission.messageId);
  expect(heard.filter(one => one === 'm1')).toEqual(['m1']);
});

it('more to tell than is asked for → all there is of the messages that wait longest, each in its order', async () => {
  const { outboxes } = await processes(1);
  const outbox = first(outboxes);
  const ids = ['m1', 'm2', 'm3', 'm4'];
  await outbox.add({ account: 1, messages: ids.map(id => message(id, { destination: id })), now: start });
  const claimed = await outbox.claim([want], start);
  await outbox.settle(
    claimed.map(({ id, message: { messageId: mid } }) => ({ id, kind: 'sent', mid })),
    start,
  );
  const statuses = async (limit: number) => {
    const untold = await outbox.untold(limit);
    await outbox.told(
      untold.map(one => one.id),
      start,
    );
    return untold.map(({ submission: { messageId, status } }) => `${messageId} ${status?.name}`).sort();
  };
  const both = (id: string) => [`${id} PENDING_ACCEPTED`, `${id} PENDING_ENROUTE`];
  expect(await statuses(5)).toEqual([...both('m1'), ...both('m2'), 'm3 PENDING_ACCEPTED']);
  expect(await statuses(5)).toEqual(['m3 PENDING_ENROUTE', ...both('m4')]);
});

it('three processes at once, one killed midway → each message claimed once, in the order of its conversation', async () => {
  const { outboxes, endLeases } = await processes(3);
  for (const one of outboxes) await one.recover('hold', start);
  const pages = 6;
  const perConversation = 8;
  const added = outboxes.flatMap((outbox, process) =>
    Array.from({ length: pages }, async (_, pageIndex) => {
      const messages = Array.from({ length: 2 * perConversation }, (_, index) =>
        message(`${process} ${pageIndex} ${index % 2} ${Math.floor(index / 2)}`, {
          sender: `page-${pageIndex}`,
          destination: `${process} ${index % 2}`,
        }),
      );
      expect((await outbox.add({ account: 1, messages, now: start })).every(Boolean)).toBe(true);
      // An id that is there already, asked for by another process at the same time.
      const again = messages.slice(0, 3);
      const others = await Promise.all(outboxes.map(one => one.add({ account: 1, messages: again, now: start })));
      expect(others.flat().some(Boolean)).toBe(false);
    }),
  );
  await Promise.all(added);
  const total = outboxes.length * pages * 2 * perConversation;
  const claims: string[] = [];
  // The first claims and is killed; its leases end when the others are halfway.
  const killed = await first(outboxes).claim([{ ...want, sender: 'page-0' }], start);
  expect(killed).toHaveLength(2 * outboxes.length);
  claims.push(...idsOf(killed));
  let [now, areEnded] = [start, false];
  const work = async (outbox: Outbox) => {
    while (claims.length < total) {
      const { pages: waiting } = await outbox.waiting(now);
      const wants = waiting.map(one => ({ ...one, count: 2 }));
      const claimed = await outbox.claim(wants, now);
      claims.push(...idsOf(claimed));
      const sent = claimed.map(({ id, message: one }) => ({ id, kind: 'sent' as const, mid: `mid ${one.messageId}` }));
      await outbox.settle(sent, now);
      // What waits for an unknown one waits no longer.
      now += limits.conversationHoldMs;
      if (areEnded || claims.length < total / 2) continue;
      areEnded = true;
      await endLeases();
    }
  };
  await Promise.all(outboxes.slice(1).map(work));
  expect(new Set(claims).size).toBe(total);
  expect(claims).toHaveLength(total);
  for (const [conversation, ids] of Map.groupBy(claims, id => id.replace(/ \d+$/, '')))
    expect(ids, conversation).toEqual(ids.map((_, index) => `${conversation} ${index}`));
  const { queued, sending } = await first(outboxes).stats();
  expect({ queued, sending }).toEqual({ queued: 0, sending: 0 });
  const told = await tellAll(first(outboxes.slice(1)));
  expect(
    told
      .filter(one => one.sentAt !== undefined)
      .map(one => one.messageId)
      .sort(),
  ).toEqual([...claims].sort());
});

it('somebody holds the row of one account’s page → what the other accounts do is done meanwhile, and its own afterwards', async () => {
  const { outboxes } = await processes(1);
  const outbox = first(outboxes);
  const schema = `together_${schemas}`;
  const ofPage = (account: number) => ({ ...want, account, sender: `page-${account}` });
  for (const account of [1, 2])
    await outbox.add({ account, messages: [message(`m${account}`, { sender: `page-${account}` })], now: start });
  const steps = (await outbox.untold(10)).map(one => one.id);
  const holder = await server.connect(url);
  await holder.query(`BEGIN; SELECT FROM ${schema}.outbox_page WHERE account_id = 1 FOR UPDATE`);
  let isHeld = true;
  // What is asked for both is done for the one.
  const both = outbox.told(steps, start).then(() => isHeld);
  const claimed = outbox.claim([ofPage(1), ofPage(2)], start);
  expect(idsOf(await claimed)).toEqual(['m2']);
  await expect.poll(async () => (await outbox.stats()).untold).toBe(1);
  await outbox.settle(
    (await claimed).map(({ id }) => ({ id, kind: 'done' as const })),
    start,
  );
  isHeld = false;
  await holder.query('COMMIT');
  await holder.end();
  expect(await both).toBe(false);
  expect(idsOf(await outbox.claim([ofPage(1)], start))).toEqual(['m1']);
});

it('an id that another program is adding → what shares the transaction is done meanwhile, and what adds it, afterwards', async () => {
  const { outboxes } = await processes(1);
  const outbox = first(outboxes);
  const schema = `together_${schemas}`;
  const ended = { end: blocked } as const;
  await outbox.add({ account: 2, messages: [message('m1', ended)], now: start });
  const steps = (await outbox.untold(10)).map(one => one.id);
  const adding = await server.connect(url);
  await adding.query(`BEGIN; INSERT INTO ${schema}.outbox_message (account_id, place, accepted_at, due_at, expires_at, lane, state,
    is_head, message_id, sender, destination, body) VALUES (1, 1, 1, 1, 1, 0, 5, false, 'taken', 's', 'd', '{}')`);
  const add = (account: number, id: string) => outbox.add({ account, messages: [message(id)], now: start });
  // While the first is under way, the others come together.
  const done = [add(2, 'm2'), outbox.told(steps, start), add(3, 'm3')];
  const held = add(1, 'taken');
  expect(await Promise.all(done)).toEqual([[true], undefined, [true]]);
  expect(await outbox.stats()).toMatchObject({ openReports: 1 });
  await adding.query('COMMIT');
  await adding.end();
  expect(await held).toEqual([false]);
});

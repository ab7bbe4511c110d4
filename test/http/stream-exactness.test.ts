import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { type Filter, matches } from '../../src/domain/filter.ts';
import { Slices } from '../../src/slices.ts';
import type { Changes, ChangesQuery, Store } from '../../src/store/store.ts';
import { EventStream } from '../support/event-stream.ts';
import { message, TestServer } from '../support/http-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { runs } from '../support/properties.ts';
import { WatchedStore } from '../support/watched-store.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

type Step =
  | { readonly kind: 'record'; readonly records: readonly object[] }
  /** More than is read at once. */
  | { readonly kind: 'burst'; readonly count: number }
  /** The client goes away and comes again, to one server or the other. */
  | { readonly kind: 'reconnect'; readonly listener: number; readonly server: number }
  /** A server cuts every connection it has, in the middle of what it sends. */
  | { readonly kind: 'cut'; readonly server: number }
  | { readonly kind: 'wait'; readonly ms: number };

const filters: readonly { readonly query: string; readonly filter: Filter }[] = [
  { query: '', filter: {} },
  { query: 'generalStatus=DELIVERED', filter: { generalStatus: 'DELIVERED' } },
  { query: 'text=a', filter: { text: 'a' } },
  { query: 'sender=b&messageId=m1,m2,m3,m4', filter: { sender: 'b', messageId: ['m1', 'm2', 'm3', 'm4'] } },
];

const messageId = fc.integer({ min: 1, max: 40 }).map(number => `m${number}`);
const record = fc.oneof(
  fc.record({ id: messageId, sender: fc.constantFrom('a', 'b') }).map(({ id, sender }) => ({ id, sender })),
  fc.record({ id: messageId, status: fc.constantFrom('DELIVERED_TO_HANDSET', 'EXPIRED_EXPIRED', 'PENDING_ENROUTE') }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('record'), records: fc.array(record, { minLength: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('burst'), count: fc.integer({ min: 100, max: 700 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('reconnect'), listener: fc.nat(filters.length - 1), server: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut'), server: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.nat(80) }) },
);
const delays = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 7 });

/** As slow as one on a disk, and strict about what the contract asks of its callers. */
class StrictStore extends MemoryStore {
  breaches = 0;

  constructor(delaysMs: readonly number[]) {
    let calls = 0;
    super({
      delay: () => new Promise(resolve => setTimeout(resolve, delaysMs[calls++ % delaysMs.length] ?? 0)),
    });
  }

  override async changes(query: ChangesQuery): Promise<Changes> {
    const { after, until } = query;
    if (after !== undefined && until !== undefined && numberOf(until) < numberOf(after)) this.breaches++;
    return super.changes(query);
  }
}

const numberOf = (place: string) => Number(place.slice(1));

/** One that listens across connections, and takes only whole events. */
class Follower {
  readonly taken: string[] = [];
  readonly #query: string;
  #stream: EventStream | undefined;
  #lastId: string | undefined;

  constructor(query: string) {
    this.#query = query;
  }

  async connect(url: string): Promise<void> {
    await this.leave();
    const headers: Record<string, string> = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId };
    const open = (triesLeft: number): Promise<EventStream> =>
      EventStream.open(url, this.#query, { headers }).catch(error => {
        // The connection may be one that was cut, of which there is one for each that listened.
        if (triesLeft === 0) throw error;
        return open(triesLeft - 1);
      });
    this.#stream = await open(filters.length);
    expect(this.#stream.response.status).toBe(200);
    if (this.#lastId === undefined) await this.#stream.opened();
  }

  async leave(): Promise<void> {
    if (this.#stream === undefined) return;
    await this.#stream.close();
    this.taken.push(...this.#stream.logs.map(({ messageId: id, status }) => `${id} ${status.name}`));
    if (this.#stream.blocks.length > 0) this.#lastId = this.#stream.lastId;
    this.#stream = undefined;
  }

  get received(): number {
    return this.taken.length + (this.#stream?.logs.length ?? 0);
  }
}

function submitted(one: object): object {
  if ('sender' in one && 'id' in one) return message(String(one.id), { sender: one.sender });
  return 'id' in one && 'status' in one ? { messageId: one.id, status: one.status } : one;
}

async function expected(store: Store, filter: Filter, since: string): Promise<readonly string[]> {
  const told: string[] = [];
  for (let after = since; ; ) {
    const { changes, next, more } = await store.changes({ account: 1, sentSince: 0, after, limit: 100 });
    for (const { log } of changes) if (matches(log, filter)) told.push(`${log.messageId} ${log.status.name}`);
    if (!more) return told;
    after = next;
  }
}

type Field = {
  readonly servers: readonly TestServer[];
  readonly urls: readonly string[];
  readonly followers: readonly Follower[];
  /** What is being recorded: nothing waits for it. */
  readonly posts: Promise<unknown>[];
};

async function take(action: Step, { servers, urls, followers, posts }: Field): Promise<unknown> {
  const post = (results: readonly object[]) => posts.push(Promise.resolve(servers[0]?.post({ results })));
  switch (action.kind) {
    case 'record':
      // Reports on what is not there are refused; that takes no other down.
      return post(action.records.map(submitted));
    case 'burst':
      return post(Array.from({ length: action.count }, (_, i) => message(`b${posts.length}-${i}`)));
    case 'reconnect':
      return followers[action.listener]?.connect(urls[action.server] ?? '');
    case 'cut':
      return servers[action.server]?.app.server.closeAllConnections();
    case 'wait':
      return new Promise(resolve => setTimeout(resolve, action.ms));
  }
}

async function followThrough(steps: readonly Step[], store: Store, servers: readonly TestServer[]): Promise<void> {
  const urls = await Promise.all(servers.map(server => server.listen()));
  const { next: start } = await store.changes({ account: 1, sentSince: 0, limit: 1 });
  const followers = filters.map(({ query }) => new Follower(query));
  for (const follower of followers) await follower.connect(urls[0] ?? '');
  const field: Field = { servers, urls, followers, posts: [] };
  for (const action of steps) await take(action, field);
  for (const follower of followers) await follower.connect(urls[1] ?? '');
  await Promise.all(field.posts);
  await servers[0]?.post({ results: [message('last')] });
  for (const [index, follower] of followers.entries()) {
    const all = await expected(store, filters[index]?.filter ?? {}, start);
    for (let waited = 0; waited < 2000 && follower.received < all.length; waited++)
      await new Promise(resolve => setTimeout(resolve, 5));
    await follower.leave();
    expect(follower.taken).toEqual(all);
  }
}

test('connections lost and made again while all is recorded and reported → each change once, in order', async () => {
  // As where each change takes long to look through: whoever comes meanwhile misses none.
  const givesWay = vi.spyOn(Slices.prototype, 'pause');
  const anySteps = fc.array(step, { minLength: 10, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(anySteps, delays, fc.boolean(), async (steps, delaysMs, isSlow) => {
      givesWay.mockReset();
      if (isSlow) givesWay.mockImplementation(() => setImmediate());
      const store = new StrictStore(delaysMs);
      const shared = new WatchedStore(store);
      const servers = [new TestServer({ store: shared }), new TestServer({ store: shared })];
      try {
        await followThrough(steps, store, servers);
        expect(store.breaches).toBe(0);
      } finally {
        for (const server of servers) await server.app.close();
      }
    }),
    // A run takes a second: what it finds is shown as it is, without looking for a smaller one.
    { numRuns: runs(15), endOnFailure: true },
  );
});

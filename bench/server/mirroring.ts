import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { EpochMs } from '../../src/domain/message.ts';
import { figuresOf, type MirrorFigures } from '../../src/mirror/figures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import type { Terms } from '../../src/mirror/pace.ts';
import { readPlace } from '../../src/mirror/place.ts';
import { WebhookReception } from '../../src/mirror/reception.ts';
import type { Mirror } from '../../src/mirror/rows.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { askUpstream } from '../../src/mirror/upstream.ts';
import { MirrorWorker } from '../../src/mirror/worker.ts';
import { Secrets } from '../../src/secrets.ts';
import type { RecordBatch, Store } from '../../src/store/store.ts';
import { MadeLog } from '../mirror/made-log.ts';
import { NaiveLoop } from '../mirror/naive-loop.ts';
import {
  account,
  clockHeader,
  liveHeader,
  type Mirrored,
  type MirrorPlan,
  mirrorName,
  upstreamKey,
} from '../mirror/plan.ts';
import { latencies } from '../statistics.ts';

/** What takes requests of the budget in its turn: a step, and whether all that was there is read. */
type Way = { step(): Promise<number>; hasCaughtUp(): Promise<boolean> };

const holder = 'bench';
/** An answer takes a while, too. */
const answerMs = 100;
/** Every final status is to be there by then. */
const finalWithinMs = 90_000;
const lookMs = 1000;
const newestMs = 5 * 60_000;

/** A mirror in a server of the bench, on a clock of its own. */
export class Mirroring {
  readonly #store: Store;
  readonly #rows: SqliteMirrorRows;
  readonly #mirrors: Mirrors;
  readonly #retentionMs: number;
  #now: EpochMs = 0;
  #liveFrom: EpochMs | undefined;
  #figures: MirrorFigures | undefined;
  #requests = 0;
  #pages = 0;
  #arrivals: Arrivals | undefined;
  readonly webhooks: WebhookReception;

  constructor(store: Store, folder: string, retentionMs: number) {
    this.#store = store;
    this.#retentionMs = retentionMs;
    this.#rows = new SqliteMirrorRows(join(folder, 'mirrors.db'));
    this.#mirrors = new Mirrors(this.#rows, new Secrets([randomBytes(32).toString('base64')]), () => this.#now);
    this.webhooks = new WebhookReception({
      mirrors: this.#mirrors,
      rows: this.#rows,
      store,
      figures: () => (this.#figures === undefined ? [] : [this.#figures]),
      clock: () => this.#now,
      retentionOf: () => retentionMs,
      note: () => undefined,
    });
  }

  async close(): Promise<void> {
    await this.webhooks.close();
    await this.#mirrors.close();
  }

  async run(plan: MirrorPlan, isNaive: boolean): Promise<Mirrored> {
    const { traffic, followMs, warmUpMs, requestsPerMinute } = plan;
    const others = { from: plan.upstream, key: upstreamKey, sinceMs: traffic.pastMs, requestsPerMinute };
    this.#now = traffic.startsAt;
    const mirror = await this.#mirrors.add({ name: mirrorName, account, ...others });
    const terms = { requestsPerMinute, sinceMs: traffic.pastMs, retentionMs: this.#retentionMs };
    const way = isNaive ? this.#naive(plan) : this.#worker(mirror, terms);
    while (!(await way.hasCaughtUp())) await this.#step(way);
    const { messages } = await this.#store.stats();
    if (messages !== traffic.past) throw new Error(`${messages} of ${traffic.past} messages are kept`);
    const [catchUpRequests, catchUpPages] = [this.#requests, this.#pages];
    const liveFrom = this.#now;
    this.#liveFrom = liveFrom;
    this.#arrivals = new Arrivals(traffic.past, traffic.live);
    const cpuBefore = process.cpuUsage();
    let lookedAt = 0;
    while (this.#now < liveFrom + followMs) {
      await this.#step(way);
      // As a server does each second, for `/metrics` and the page.
      if (isNaive || this.#now - lookedAt < lookMs) continue;
      this.#figures = await this.#look(mirror, terms);
      lookedAt = this.#now;
    }
    const { user, system } = process.cpuUsage(cpuBefore);
    this.#figures = await this.#look(mirror, terms);
    const ranMs = this.#now - liveFrom;
    return {
      catchUpRequests,
      catchUpPages,
      requestsPerMinute: ((this.#requests - catchUpRequests) * 60_000) / ranMs,
      ...this.#arrivals.figures(plan, liveFrom, this.#now, warmUpMs),
      cpuShare: (user + system) / 1000 / ranMs,
      webhookPath: new URL(this.#mirrors.webhook(mirrorName, 'http://bench').url).pathname,
      liveFrom,
      now: this.#now,
    };
  }

  async #step(way: Way): Promise<void> {
    const ms = await way.step();
    this.#now += Math.max(ms, answerMs);
  }

  #look(mirror: Mirror, terms: Terms): Promise<MirrorFigures> {
    return figuresOf(mirror, this.#rows, this.#now, terms);
  }

  #worker(mirror: Mirror, terms: Terms): Way {
    const { signal } = new AbortController();
    const worker = new MirrorWorker({
      mirror,
      holder,
      rows: this.#rows,
      store: this.#noting(),
      ask: this.#ask(mirror.from),
      terms,
      clock: () => this.#now,
      random: () => 0.5,
      wait: async ms => {
        this.#now += ms;
      },
      note: ({ message, detail }) => {
        throw new Error(`${message}: ${JSON.stringify(detail)}`);
      },
    });
    return {
      step: async () => {
        const next = await worker.step(signal);
        if (next === 'ended') throw new Error('the mirror has ended');
        return next;
      },
      hasCaughtUp: async () => {
        const place = await this.#rows.place(mirror.id);
        return place !== undefined && !readPlace(place, mirror.name).reads.some(read => read.kind === 'catchUp');
      },
    };
  }

  #naive({ upstream, requestsPerMinute }: MirrorPlan): Way {
    const options = { store: this.#noting(), account, ask: this.#ask(upstream), clock: () => this.#now };
    const loop = new NaiveLoop({ ...options, requestsPerMinute });
    return { step: () => loop.step(), hasCaughtUp: async () => loop.walks > 0 };
  }

  #noting(): Pick<Store, 'record'> {
    return {
      record: async batch => {
        const outcome = await this.#store.record(batch);
        this.#arrivals?.note(batch);
        return outcome;
      },
    };
  }

  /** A page of what was there: neither of what is new, nor of what became of messages. */
  #readsThePast(asked: URLSearchParams): boolean {
    const since = Date.parse(asked.get('sentSince') ?? '');
    return !asked.has('messageId') && !asked.has('generalStatus') && !(since > this.#now - newestMs);
  }

  #ask(from: string) {
    const asking: typeof fetch = (input, init) => {
      const target = String(input);
      this.#requests++;
      if (this.#readsThePast(new URL(target).searchParams)) this.#pages++;
      const headers = new Headers(init?.headers);
      headers.set(clockHeader, String(this.#now));
      if (this.#liveFrom !== undefined) headers.set(liveHeader, String(this.#liveFrom));
      return fetch(input, { ...init, headers });
    };
    return askUpstream({ from, key: upstreamKey, fetch: asking, clock: () => this.#now });
  }
}

/** When what was sent while it followed, and its final status, was kept first. */
class Arrivals {
  readonly #first: number;
  readonly #keptAt: Float64Array;
  readonly #finalAt: Float64Array;

  constructor(first: number, count: number) {
    this.#first = first;
    this.#keptAt = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    this.#finalAt = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  }

  note({ submissions, receivedAt }: RecordBatch): void {
    for (const { messageId, status } of submissions) {
      const at = Number(messageId.slice(1)) - this.#first;
      if (at < 0) continue;
      this.#keptAt[at] = Math.min(this.#keptAt[at] ?? receivedAt, receivedAt);
      if (status?.final === true) this.#finalAt[at] = Math.min(this.#finalAt[at] ?? receivedAt, receivedAt);
    }
  }

  /** Of what there was time to see; what never came counts as if it had come at the end. */
  figures({ traffic }: MirrorPlan, liveFrom: EpochMs, now: EpochMs, warmUpMs: number) {
    const log = new MadeLog(traffic);
    log.liveFrom = liveFrom;
    const [lags, finals]: [number[], number[]] = [[], []];
    let kept = 0;
    for (let at = 0; at < this.#keptAt.length; at++) {
      const { sentAt, states } = log.made(this.#first + at);
      const keptAt = this.#keptAt[at] ?? Number.NaN;
      if (keptAt <= now) kept++;
      if (sentAt < liveFrom + warmUpMs || sentAt > now - finalWithinMs) continue;
      lags.push(Math.min(keptAt, now) - sentAt);
      const final = states.find(state => state.status.final)?.from;
      if (final !== undefined && final <= now - finalWithinMs)
        finals.push(Math.min(this.#finalAt[at] ?? Number.NaN, now) - final);
    }
    const [lag, final] = [latencies(lags), latencies(finals)];
    return {
      kept: (kept * 1000) / (now - liveFrom),
      lagP99Ms: lag.p99,
      finalP99Ms: final.p99,
      finalMaxMs: final.max,
      lateFinals: finals.filter(ms => ms > finalWithinMs).length / finals.length,
    };
  }
}

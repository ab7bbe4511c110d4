import { Random } from '../../scripts/demo/random.ts';
import { type InfobipOptions, SimulatedInfobip } from '../../simulator/infobip.ts';
import { type MessageOptions, shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { deliveryJson, simulatedReport } from '../../simulator/webhooks.ts';
import type { EpochMs, LogRecord } from '../../src/domain/message.ts';
import { figuresOf } from '../../src/mirror/figures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import type { Terms } from '../../src/mirror/pace.ts';
import { type Place, readPlace } from '../../src/mirror/place.ts';
import { WebhookReception } from '../../src/mirror/reception.ts';
import type { Mirror, MirrorRows } from '../../src/mirror/rows.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { askUpstream } from '../../src/mirror/upstream.ts';
import { type MirrorNote, MirrorWorker } from '../../src/mirror/worker.ts';
import { Secrets } from '../../src/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { tracedFetch } from '../../src/telemetry/traced.ts';
import type { Tracing } from '../../src/tracing.ts';
import { logJson } from '../../src/wire/text/log-text.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { webhookReports } from '../support/webhook-reports.ts';

export const hour = 3_600_000;
export const minute = 60_000;
export const account = 7;
const key = 'the-key-of-the-other-side';
const holder = 'this process';

export type AnsweredPage = { readonly results: readonly unknown[]; readonly cursor?: object };

/** A simulated Infobip, a log, and a mirror between them, all on one clock that stands still until it is moved. */
export class World {
  now: EpochMs = Date.parse('2026-03-01T12:00:00Z');
  readonly infobip: SimulatedInfobip;
  readonly random: Random;
  readonly rows: MirrorRows = new SqliteMirrorRows(':memory:');
  readonly store: Store;
  readonly notes: MirrorNote[] = [];
  readonly terms: Terms;
  readonly key = key;
  /** How long each answer is under way, from when it is dated. */
  lateMs: () => number | Promise<number> = () => 0;
  /** What the other side answers to a question of its log in the place of a page: a body, or all of an answer. */
  altered: ((page: AnsweredPage) => unknown) | undefined;
  /** Whether the process is killed now: before or after an answer is recorded, or a step is kept. */
  isKilled: () => boolean = () => false;
  #mirror: Mirror | undefined;
  #worker: MirrorWorker | undefined;
  readonly #tracing: Tracing | undefined;
  #ids = 0;

  constructor(options: Partial<InfobipOptions> & { terms?: Partial<Terms>; store?: Store; tracing?: Tracing } = {}) {
    const { terms, store, tracing, ...others } = options;
    this.#tracing = tracing;
    const seed = options.seed ?? 'a world';
    this.random = new Random(`${seed} messages`);
    this.infobip = new SimulatedInfobip({ seed, clock: () => this.now, keys: [key], ...others });
    this.store = store ?? new MemoryStore();
    this.terms = { requestsPerMinute: 60, sinceMs: 48 * hour, retentionMs: 30 * 24 * hour, ...terms };
  }

  /** Its clock at the other side. */
  get theirs(): EpochMs {
    return this.infobip.now();
  }

  /** A message of the other side. */
  add(options: Partial<MessageOptions> = {}): void {
    const messageId = `message-${++this.#ids}`;
    this.infobip.add(simulatedMessage({ messageId, sentAt: this.theirs, ...options }, this.random));
  }

  /** So many messages, evenly over a stretch that ends now. */
  addPast(count: number, overMs: number, pace = 1): void {
    for (let i = 0; i < count; i++) this.add({ sentAt: this.theirs - overMs + Math.floor((i * overMs) / count), pace });
  }

  async mirror(): Promise<Mirror> {
    const { requestsPerMinute, sinceMs } = this.terms;
    const mirror = { name: 'a', account, from: 'http://infobip', requestsPerMinute, sinceMs, createdAt: this.now };
    this.#mirror ??= await this.rows.add(mirror, 'sealed');
    if (this.#mirror === undefined) throw new Error('the mirror is there already');
    return this.#mirror;
  }

  /** As after a kill -9: what was not kept is gone. */
  restart(): void {
    this.#worker = undefined;
  }

  /** Runs the mirror for so long, with the traffic that `each` adds as time passes. */
  async run(ms: number, each: (stepMs: number) => void | Promise<void> = () => {}): Promise<void> {
    const end = this.now + ms;
    const { signal } = new AbortController();
    while (this.now < end) {
      const worker = this.#worker ?? (await this.#start());
      this.#worker = worker;
      const next = await worker.step(signal).catch(error => {
        if (!(error instanceof Killed)) throw error;
        this.restart();
        return 0;
      });
      if (next === 'ended') return;
      // An answer takes a while, too.
      const stepMs = Math.max(next, answerMs);
      this.now += stepMs;
      await each(stepMs);
    }
  }

  /** A webhook of the other side on any of its messages, as it was at any moment since: late, repeated, out of order. */
  async webhook(): Promise<void> {
    const shown = this.infobip.log.messages().filter(message => message.sentAt <= this.theirs);
    if (shown.length === 0) return;
    const message = this.random.pick(shown);
    const at = this.random.between(message.sentAt, this.theirs);
    await this.take(deliveryJson([simulatedReport(message, at)]));
  }

  /** A webhook of the other side; resolves when it would be answered with 200. */
  async take(body: string): Promise<void> {
    const mirror = await this.mirror();
    const figures = await figuresOf(mirror, this.rows, this.now, this.terms);
    const mirrors = new Mirrors(this.rows, new Secrets([]), () => this.now);
    const { rows, store, terms } = this;
    const clock = () => this.now;
    const note = (one: MirrorNote) => this.notes.push(one);
    const options = {
      mirrors,
      rows,
      store,
      clock,
      retentionOf: () => terms.retentionMs,
      note,
      figures: () => [figures],
    };
    await new WebhookReception(options).take(figures, webhookReports(body, 'json'));
  }

  async place(): Promise<Place> {
    const { id, name } = await this.mirror();
    const text = await this.rows.place(id);
    if (text === undefined) throw new Error('the mirror has no place yet');
    return readPlace(text, name);
  }

  /** The log here, as JSON by id. */
  async kept(): Promise<ReadonlyMap<string, unknown>> {
    const logs = new Map<string, unknown>();
    for (let after: string | undefined; ; ) {
      const query = { account, filter: {}, sentSince: 0, limit: 1000, walk: true };
      const page = await this.store.find({ ...query, ...(after !== undefined && { after }) });
      for (const log of page.logs) logs.set(log.messageId, JSON.parse(logJson(log)));
      if (page.next === undefined) return logs;
      after = page.next;
    }
  }

  /** What is true at the other side, of the messages that it ever showed. */
  truth(): ReadonlyMap<string, unknown> {
    const shown = this.infobip.log.messages().filter(message => message.appearsAt <= this.theirs);
    return new Map(
      shown.map(message => [message.messageId, JSON.parse(JSON.stringify(shownAt(message, this.theirs)))]),
    );
  }

  readonly #fetch: typeof fetch = async (...asked) => {
    const answer = await this.infobip.fetch(...asked);
    this.now += await this.lateMs();
    if (this.altered === undefined || answer.status !== 200) return answer;
    const text = await answer.text();
    const altered = this.altered(JSON.parse(text));
    if (altered instanceof Response) return altered;
    return Response.json(altered, { headers: { date: answer.headers.get('date') ?? '' } });
  };

  /** What is asked of it by these names may be done or not when the process is killed: nobody hears. */
  #mortal<T extends object>(target: T, ...names: readonly (keyof T)[]): T {
    const dieMaybe = () => {
      if (this.isKilled()) throw new Killed();
    };
    return new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const call = value.bind(target);
        if (!names.some(one => one === name)) return call;
        return async (...given: readonly unknown[]) => {
          dieMaybe();
          const done = await call(...given);
          dieMaybe();
          return done;
        };
      },
    });
  }

  async #start(): Promise<MirrorWorker> {
    const mirror = await this.mirror();
    await this.rows.lease(mirror.id, holder, 8000);
    const clock = () => this.now;
    const tracing = this.#tracing;
    const call = tracing === undefined ? this.#fetch : tracedFetch(this.#fetch, tracing);
    return new MirrorWorker({
      mirror,
      holder,
      rows: this.#mortal(this.rows, 'keep', 'spend'),
      store: this.#mortal(this.store, 'record'),
      ask: askUpstream({ from: mirror.from, key, fetch: call, clock }),
      terms: this.terms,
      clock,
      random: () => this.random.next(),
      wait: async ms => {
        this.now += ms;
      },
      note: note => this.notes.push(note),
      tracing,
    });
  }
}

const answerMs = 100;

/** As by kill -9. */
class Killed extends Error {}

export type { LogRecord };

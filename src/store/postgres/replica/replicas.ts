import type { AccountId } from '../../../domain/message.ts';
import { reasonOf } from '../../../failures.ts';
import type { PoolOptions } from '../../../postgres/connections.ts';
import type { StoreObserver, StoreReads } from '../../store.ts';
import { Recurring } from '../server/recurring.ts';
import { covers, ofOneEra, type ReadPoint } from '../server/snapshot.ts';
import type { Source } from '../server/source.ts';
import { Heartbeat } from './heartbeat.ts';
import { type Look, Replica, type ReplicaServer } from './replica.ts';
import { ReplicaUse } from './replica-use.ts';

export type ReplicaTerms = {
  /** Streaming standbys of the database. */
  readonly urls: readonly string[];
  /** How old what they show may be. */
  readonly lagMsMax: number;
  /** Between beats, and between looks at each: what is known of one is up to two of these old. */
  readonly lookEveryMs?: number;
  /** After the start, and the lag: until then one that is behind is not told of, since tables and heartbeat come a moment later. */
  readonly startMs?: number;
};

export type ReplicasOptions = Omit<PoolOptions, 'max' | 'note'> & {
  readonly terms: ReplicaTerms;
  readonly readersMax: number;
  readonly observer: StoreObserver;
};

/**
 * What a read must show: all that was durable a bounded time ago; of the account, all that this process has recorded or
 * told followers of; and, in a walk, all that was there when it began. A read point with a position was taken just now. When
 * the signal is aborted nobody needs it any more.
 */
export type Need = { readonly account: AccountId; readonly readPoint?: ReadPoint; readonly signal?: AbortSignal };

/** May be done twice: once more elsewhere, when a replica fails. */
export type Reading<T> = (source: Source) => Promise<T>;

type Member = { readonly replica: Replica; readonly use: ReplicaUse };
type Fit = { readonly use: ReplicaUse; readonly server: ReplicaServer };

const lookEveryMsMax = 250;
const startMsDefault = 5_000;
/** A replica that does not answer a look for so long, or for the lag, has no read wait for it any more. */
const silenceMs = { min: 1_000, max: 5_000 };

/** Answers reads by a replica that shows what they must show, or by the database. */
export class Replicas {
  readonly #lagMsMax: number;
  readonly #lookMsMax: number;
  readonly #primary: Source;
  readonly #heartbeat: Heartbeat;
  readonly #members: readonly Member[];
  readonly #observer: StoreObserver;
  readonly #upkeeps: readonly Recurring[];
  /** When this process last told of something of an account; kept for as long as a replica may not show it. */
  readonly #toldAtMs = new Map<AccountId, number>();
  #primaryReads = 0;
  #heartbeatFails = false;

  constructor({ terms, readersMax, ...options }: ReplicasOptions, primary: Source) {
    const { observer, schema, statementTimeoutMs } = options;
    const { urls, lagMsMax, lookEveryMs = Math.min(lookEveryMsMax, lagMsMax / 4), startMs = startMsDefault } = terms;
    const note = observer.note.bind(observer);
    const lookMsMax = Math.min(silenceMs.max, Math.max(silenceMs.min, lagMsMax));
    this.#lagMsMax = lagMsMax;
    this.#lookMsMax = lookMsMax;
    this.#primary = primary;
    this.#observer = observer;
    this.#heartbeat = new Heartbeat({ ...options, statementTimeoutMs: Math.min(statementTimeoutMs, lookMsMax), note });
    this.#members = urls.map(url => {
      const failed = (reason: unknown) => use.failed(reasonOf(reason));
      const replica = new Replica({ url, schema, readersMax, statementTimeoutMs, lookMsMax, failed });
      const use = new ReplicaUse(replica.name, { lagMsMax, startMs, observer });
      return { replica, use };
    });
    this.#upkeeps = [
      new Recurring(lookEveryMs, observer, () => this.#beat()),
      ...this.#members.map(member => new Recurring(lookEveryMs, observer, () => this.#lookAt(member))),
    ];
  }

  start(): void {
    for (const upkeep of this.#upkeeps) upkeep.start();
  }

  /** Whether any replica may be read now. */
  get areUsed(): boolean {
    return this.#members.some(({ use }) => use.readable !== undefined);
  }

  get reads(): StoreReads {
    return { primary: this.#primaryReads, replicas: this.#members.map(({ use }) => use.reads) };
  }

  /** This process recorded something of the account, or tells a follower of it: it is durable, and not answered yet. */
  mustShow(account: AccountId): void {
    this.#toldAtMs.set(account, performance.now());
  }

  /** `readPoint` gives that of the database at this moment. */
  async read<T>(need: Need, work: Reading<T>, readPoint: () => Promise<ReadPoint>): Promise<T> {
    const fit = await this.#fit(need, readPoint);
    if (fit === undefined) return this.#readPrimary(work);
    const { server, use } = fit;
    try {
      const result = await server.run(work);
      use.answered();
      return result;
    } catch (failure) {
      // No fault of the replica, and nobody waits for what the database would say.
      need.signal?.throwIfAborted();
      const result = await this.#readPrimary(work);
      use.failed(reasonOf(failure));
      return result;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#upkeeps.map(upkeep => upkeep.stop()));
    await Promise.all([this.#heartbeat.close(), ...this.#members.map(({ replica }) => replica.close())]);
  }

  async #readPrimary<T>(work: Reading<T>): Promise<T> {
    const result = await work(this.#primary);
    this.#primaryReads++;
    return result;
  }

  /** A replica that shows what is needed; the least busy one. */
  async #fit({ account, readPoint: begun }: Need, readPoint: () => Promise<ReadPoint>): Promise<Fit | undefined> {
    const readable = this.#members
      .flatMap(({ use }) => (use.readable === undefined ? [] : [{ use, ...use.readable }]))
      .sort((a, b) => a.server.readsUnderWay - b.server.readsUnderWay);
    if (readable.length === 0) return undefined;
    const toldAtMs = this.#toldAtMs.get(account) ?? -Infinity;
    const fit = readable.find(
      ({ beat }) => beat.sentAtMs > toldAtMs && (begun === undefined || covers(beat.snapshot, begun.snapshot)),
    );
    if (fit !== undefined) return fit;
    const { snapshot, position } = begun?.position === undefined ? await readPoint() : begun;
    const near = readable.find(({ beat }) => ofOneEra(beat.snapshot, snapshot));
    if (position === undefined || near === undefined) return undefined;
    if (begun !== undefined && !covers(snapshot, begun.snapshot)) return undefined;
    return (await near.server.reaches(position)) ? near : undefined;
  }

  async #beat(): Promise<void> {
    const now = performance.now();
    for (const [account, at] of this.#toldAtMs) if (now - at > this.#lagMsMax) this.#toldAtMs.delete(account);
    try {
      await this.#heartbeat.beat(this.#lagMsMax);
      this.#heartbeatFails = false;
    } catch (error) {
      const detail = { reason: reasonOf(error) };
      if (!this.#heartbeatFails)
        this.#observer.note({ level: 'warn', message: 'the heartbeat for read replicas cannot be written', detail });
      this.#heartbeatFails = true;
    }
  }

  async #lookAt({ replica, use }: Member): Promise<void> {
    const away = (reason: string) => use.leave({ kind: 'away', reason });
    const silence = setTimeout(() => away('it does not answer'), this.#lookMsMax);
    try {
      this.#judge(use, await replica.look(this.#heartbeat.process));
    } catch (error) {
      away(reasonOf(error));
    } finally {
      clearTimeout(silence);
    }
  }

  #judge(use: ReplicaUse, { server, isStandby, systemIdentifier, beat: number }: Look): void {
    const { latest } = this.#heartbeat;
    if (latest === undefined) return;
    const beat = number === undefined ? undefined : this.#heartbeat.upTo(number);
    if (!isStandby) use.leave({ kind: 'mistake', reason: 'it is no standby' });
    else if (systemIdentifier !== latest.systemIdentifier)
      use.leave({ kind: 'mistake', reason: 'it is a standby of another server' });
    else if (beat !== undefined) use.shows({ server, beat });
    else {
      const reason = `it shows nothing that was written in the last ${this.#lagMsMax} ms: it is behind, or replicates another database`;
      use.leave({ kind: 'behind', reason });
    }
  }
}

import { setTimeout } from 'node:timers/promises';
import { integer, optional, text, truth } from '../../../postgres/cells.ts';
import { Connections } from '../../../postgres/connections.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { StoreUnavailable } from '../../store.ts';
import { Source } from '../server/source.ts';

export type ReplicaOptions = {
  readonly url: string;
  readonly schema: string;
  readonly readersMax: number;
  readonly statementTimeoutMs: number;
  /** What a look at it may take. */
  readonly lookMsMax: number;
  /** Hears why a server could not be asked how far it is, also when no read waits for that any more; must not throw. */
  readonly failed: (reason: unknown) => void;
};

/** What was found behind the address of a replica. */
export type Look = {
  readonly server: ReplicaServer;
  readonly isStandby: boolean;
  readonly systemIdentifier: string;
  /** The number of the beat it shows. */
  readonly beat?: number;
};

/** How long a read may wait for a server to come to where it must be, rather than be read elsewhere. */
const catchUpMsMax = 20;
const catchUpLookMs = 2;

/** An address that replicas are read by. Whether what is found there may be read is up to others. */
export class Replica {
  /** Without who asks, and how it is proven. */
  readonly name: string;
  readonly #options: ReplicaOptions;
  readonly #looking: Connections;
  #server: ReplicaServer | undefined;

  constructor(options: ReplicaOptions) {
    const { host, pathname } = new URL(options.url);
    this.name = `${host}${pathname}`;
    this.#options = options;
    const { url, schema, lookMsMax: statementTimeoutMs } = options;
    this.#looking = new Connections({ url, schema, statementTimeoutMs, max: 1, note: toldOtherwise });
  }

  async look(process: string): Promise<Look> {
    const [row = []] = await this.#looking.query(progress, [process]).catch(error => {
      if (error instanceof StoreUnavailable) throw error;
      // It lacks our tables, or the right to read them: at least what it is can be told.
      return this.#looking.query(identity);
    });
    const [startedAt, isStandby, systemIdentifier, number] = row;
    const beat = optional(number, integer);
    return {
      server: this.#serverOf(text(startedAt)),
      isStandby: truth(isStandby),
      systemIdentifier: text(systemIdentifier),
      ...(beat !== undefined && { beat }),
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#looking.close(), this.#server?.close()]);
  }

  #serverOf(startedAt: string): ReplicaServer {
    if (this.#server?.startedAt === startedAt) return this.#server;
    // What is being read there may finish.
    this.#server?.close();
    this.#server = new ReplicaServer(startedAt, this.#options);
    return this.#server;
  }
}

/** Reads from one server, and from no other that its address may lead to: it is told by when it was started. */
export class ReplicaServer {
  readonly startedAt: string;
  readonly #source: Source;
  readonly #failed: ReplicaOptions['failed'];
  readonly #underWay = new Set<(reason: Error) => void>();
  /** Bytes of the write-ahead log that were replayed at least. */
  #position = 0;
  #locating: Promise<boolean> | undefined;
  #closed = false;

  constructor(startedAt: string, { url, schema, readersMax: max, statementTimeoutMs, failed }: ReplicaOptions) {
    const begin = (session: Session) => expectServer(session, startedAt);
    this.startedAt = startedAt;
    this.#failed = failed;
    this.#source = Source.open({ url, schema, statementTimeoutMs, max, begin, note: toldOtherwise });
  }

  get readsUnderWay(): number {
    return this.#underWay.size;
  }

  /** Whether it is known to have replayed the write-ahead log up to this position; it may be waited for a little. */
  async reaches(position: number): Promise<boolean> {
    const endsAt = performance.now() + catchUpMsMax;
    while (this.#position < position && performance.now() < endsAt) {
      // One look for all that wait.
      this.#locating ??= this.#locate();
      const answers = await Promise.race([this.#locating, setTimeout(catchUpMsMax, true)]);
      if (!answers) return false;
      if (this.#position < position) await setTimeout(catchUpLookMs);
    }
    return this.#position >= position;
  }

  /** Rejects with whatever the work rejects with, or when reads are abandoned. */
  async run<T>(work: (source: Source) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#underWay.add(reject);
    try {
      work(this.#source).then(resolve, reject);
      return await promise;
    } finally {
      this.#underWay.delete(reject);
    }
  }

  /** Rejects all reads under way: nobody should wait for a server that does not answer. */
  abandon(): void {
    const reason = new StoreUnavailable('the replica does not answer');
    for (const reject of this.#underWay) reject(reason);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#source.close();
  }

  /** Whether it answers. That it does not is told once, however many reads wait, and however long it took to fail. */
  async #locate(): Promise<boolean> {
    try {
      const [[position] = []] = await this.#source.read(location);
      this.#position = Math.max(this.#position, optional(position, integer) ?? 0);
      return true;
    } catch (reason) {
      if (!this.#closed) this.#failed(reason);
      return false;
    } finally {
      this.#locating = undefined;
    }
  }
}

/** Looks tell of a connection that breaks, once for all of them. */
function toldOtherwise(): void {}

async function expectServer(session: Session, startedAt: string): Promise<void> {
  const [[found] = []] = await session.query(identity);
  if (text(found) !== startedAt) throw new StoreUnavailable('its address leads to several servers: each needs its own');
}

const identityColumns = `
  pg_postmaster_start_time()::text, pg_is_in_recovery(), (SELECT c.system_identifier::text FROM pg_control_system() c)`;

const identity: Statement = { name: 'identity', text: `SELECT ${identityColumns}` };

const progress: Statement = {
  name: 'progress',
  text: `SELECT ${identityColumns}, (SELECT h.number FROM heartbeat h WHERE h.process = $1)`,
};

const location: Statement = {
  name: 'location',
  text: `SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint`,
};

import type { AccountId } from '../../../domain/message.ts';
import type { Row } from '../../../postgres/cells.ts';
import { Connections, connected } from '../../../postgres/connections.ts';
import type { Session, Statement, Transaction, Value } from '../../../postgres/session.ts';
import { type StoreObserver, type StoreReads, StoreUnavailable } from '../../store.ts';
import { type Need, type Reading, Replicas, type ReplicaTerms } from '../replica/replicas.ts';
import { adaptPlans } from '../schema/citus.ts';
import { planningSettings } from '../schema/planning.ts';
import { recogniseServer } from '../server/era.ts';
import { Nodes, type NodesOptions } from '../server/nodes.ts';
import { type ReadPoint, readPointIn, readPointStatement, snapshotIn, snapshotStatement } from '../server/snapshot.ts';
import { Source } from '../server/source.ts';
import { Damage } from './damage.ts';

export type DatabaseOptions = {
  readonly url: string;
  readonly schema: string;
  readonly readersMax: number;
  readonly recordersMax: number;
  readonly statementTimeoutMs: number;
  readonly connectMsMax?: number;
  readonly observer: StoreObserver;
  /** What a node may take to answer a look. */
  readonly answerMsMax: number;
  readonly replicas?: ReplicaTerms;
};

/** The log's connections to its database, and what is made sure of on each of them. */
export class Database {
  /** The servers that the log lies on, where it is spread over several. */
  readonly nodes: Nodes;
  /** What of sealed messages was found damaged. */
  readonly damage: Damage;
  /** Whether there were folded keys when it was looked last. */
  keysWereFolded = false;
  readonly #options: DatabaseOptions;
  /** Apart from each other, so that neither readers nor recorders take all connections. */
  readonly #reading: Source;
  readonly #recording: Connections;
  readonly #replicas: Replicas | undefined;
  #closed = false;

  constructor(options: DatabaseOptions) {
    const { readersMax, recordersMax, observer, answerMsMax, replicas, ...target } = options;
    this.#options = options;
    this.damage = new Damage(observer);
    const begin = async (session: Session) => {
      await recogniseServer(session, observer);
      await adaptPlans(session);
    };
    const note = observer.note.bind(observer);
    this.#reading = Source.open({ ...target, max: readersMax, note, begin });
    this.#recording = new Connections({ ...target, max: recordersMax, settings: planningSettings, note, begin });
    const abandon: NodesOptions['abandon'] = (olderThanMs, isWanting) => {
      this.#reading.abandon(olderThanMs, isWanting);
      this.#recording.abandon(olderThanMs, isWanting);
    };
    this.nodes = new Nodes({ ...target, observer, answerMsMax, abandon });
    if (replicas !== undefined)
      this.#replicas = new Replicas({ ...target, terms: replicas, readersMax, observer, begin }, this.#reading);
  }

  /** Begins to look at nodes and to use the replicas; the tables must be there. */
  start(): void {
    this.nodes.start();
    this.#replicas?.start();
  }

  /** Where reads were answered; absent without replicas. */
  get reads(): StoreReads | undefined {
    return this.#replicas?.reads;
  }

  /** Reads where all that is needed shows: on a replica, or here. */
  readWhere<T>(need: Need, work: Reading<T>): Promise<T> {
    const wanted: Reading<T> = source => work(source.whileWanted(need.signal));
    return this.#replicas === undefined
      ? wanted(this.#reading)
      : this.#replicas.read(need, wanted, () => this.readPoint());
  }

  /** What is to be seen at this moment. */
  async readPoint(): Promise<ReadPoint> {
    if (this.#replicas?.areUsed) return readPointIn((await this.read(readPointStatement))[0]);
    return { snapshot: snapshotIn((await this.read(snapshotStatement))[0]) };
  }

  /** What is durable of the account by now shows from now on: somebody is about to be told of it. */
  mustShow(account: AccountId): void {
    this.#replicas?.mustShow(account);
  }

  /** As `Source.read`, of the database itself. */
  read(statement: Statement, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#reading.read(statement, values);
  }

  /** Runs one statement on a connection that may write. */
  query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#recording.query(statement, values);
  }

  /** As `Connections.transaction`, on a connection that may write. */
  transaction<T>(begin: string, work: (session: Transaction) => Promise<T>): Promise<T> {
    return this.#recording.transaction(begin, work);
  }

  /**
   * A connection of its own, outside the pools and without a transaction, for work on tables: it may take longer than
   * a statement of the log. What it is at is cancelled when the signal is aborted.
   */
  async apart<T>(statementTimeoutMs: number, work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
    return connected({ ...this.#options, settings: planningSettings, statementTimeoutMs }, work, signal);
  }

  /** Lets what is running finish, then lets go of every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.nodes.close();
    await Promise.all([this.#reading.close(), this.#recording.close(), this.#replicas?.close()]);
  }
}

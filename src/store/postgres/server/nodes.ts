import { reasonOf } from '../../../failures.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer, text, truth } from '../../../postgres/cells.ts';
import { Connections, type PoolOptions, workOn } from '../../../postgres/connections.ts';
import type { Statement } from '../../../postgres/session.ts';
import { UnderWay } from '../../../under-way.ts';
import { type AwayPart, type StoreObserver, StoreUnavailable } from '../../store.ts';
import { accountOf, type Slice } from '../rows/slices.ts';
import { Recurring } from './recurring.ts';

export type NodesOptions = Pick<PoolOptions, 'url' | 'schema'> & {
  readonly observer: StoreObserver;
  /** What was asked of the database and is not answered for so long is to be given up, if `isWanting` of what it is on. */
  readonly abandon: (olderThanMs: number, isWanting: (subject: unknown) => boolean) => void;
  /** How long a node may take to answer a look: whoever needs one that hangs waits about so long. */
  readonly answerMsMax: number;
};

/** A server that rows lie on. `mark` is a number that no account has, whose rows would lie there. */
type Node = { readonly name: string; readonly mark: number; readonly looking: Connections; isLookedAt: boolean };

/** How often nodes are looked at, in the time that one may take to answer. */
const looksInTime = 3;
/** How often it is asked which nodes there are, and what lies where. */
const askEveryMs = 30_000;
/** Slices of which it is known where they lie. */
const placesMax = 100_000;
const toldMax = 20;

/**
 * The nodes of a cluster of Citus, each looked at time and again: what lies on one that does not answer is refused at
 * once, so that it takes no connection from what lies on the others. Elsewhere there are none.
 */
export class Nodes {
  readonly #options: NodesOptions;
  /** Apart from readers and recorders. */
  readonly #asking: Connections;
  readonly #looks: Recurring;
  readonly #answering = new UnderWay<unknown>();
  #nodes: ReadonlyMap<string, Node> = new Map();
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Which node a slice lies on, and those of which that is to be asked. */
  readonly #places = new Map<Slice, string>();
  readonly #unplaced = new Set<Slice>();
  /** Why a node is not used. */
  readonly #away = new Map<string, string>();

  constructor(options: NodesOptions) {
    this.#options = options;
    this.#asking = this.#connections();
    this.#looks = new Recurring(options.answerMsMax / looksInTime, options.observer, () => this.#look());
  }

  start(): void {
    this.#looks.start();
  }

  /** The node that a slice lies on, where there are several and it is known by now. */
  nodeOf(slice: Slice): string | undefined {
    if (this.#nodes.size === 0) return undefined;
    const name = this.#places.get(slice);
    if (name === undefined) this.#unplaced.add(slice);
    return name;
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  isAway(slice: Slice): boolean {
    const node = this.nodeOf(slice);
    return node !== undefined && this.#away.has(node);
  }

  /**
   * Does work on these slices alone, which is given up when a node of theirs is away, and no other's. Rejects with
   * `StoreUnavailable` where one is.
   */
  async on<T>(slices: readonly Slice[], work: () => Promise<T>): Promise<T> {
    for (const slice of slices) {
      const node = this.nodeOf(slice);
      const reason = node === undefined ? undefined : this.#away.get(node);
      if (reason !== undefined) throw new StoreUnavailable(`node ${node} is away: ${reason}`);
    }
    return workOn.run(slices, work);
  }

  /** Those that are away, each with how many accounts it holds up, of those that this process has served. */
  get away(): readonly AwayPart[] {
    return Array.from(this.#away, ([name, reason]) => ({ name, reason, accounts: this.accountsOn(name).length }));
  }

  accountsOn(node: string): readonly number[] {
    const slices = [...this.#places].filter(([, name]) => name === node);
    return [...new Set(slices.map(([slice]) => accountOf(slice)))];
  }

  /** A number that no account has, to be written for to see whether the node keeps what is written. */
  markOf(node: string | undefined): number | undefined {
    return node === undefined ? undefined : this.#nodes.get(node)?.mark;
  }

  /** Resolves when the database answers, however busy all other connections are. */
  answers(): Promise<unknown> {
    return this.#answering.share(() => this.#asking.query('SELECT 1'));
  }

  async close(): Promise<void> {
    await this.#looks.stop();
    await Promise.all([this.#asking.close(), ...Array.from(this.#nodes.values(), node => node.looking.close())]);
  }

  #connections(): Connections {
    const { url, schema, answerMsMax: statementTimeoutMs } = this.#options;
    return new Connections({ url, schema, statementTimeoutMs, max: 1, note: toldOtherwise });
  }

  async #look(): Promise<void> {
    try {
      if (performance.now() - this.#askedAt > askEveryMs) await this.#askForNodes();
      if (this.#unplaced.size > 0) await this.#place([...this.#unplaced]);
    } catch (error) {
      // That the coordinator is away, everybody is told who asks it for anything.
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    for (const node of this.#nodes.values()) if (!node.isLookedAt) void this.#lookAt(node);
    if (this.#away.size > 0) this.#abandon();
  }

  async #askForNodes(): Promise<void> {
    const [[onCitus] = []] = await this.#asking.query(isSpread);
    const rows = truth(onCitus) ? await this.#asking.query(nodesAndMarks) : [];
    const found = new Map(rows.map(([name, mark]) => [text(name), integer(mark)]));
    const gone = [...this.#nodes.values()].filter(({ name, mark }) => found.get(name) !== mark);
    const kept = [...this.#nodes.values()].filter(node => !gone.includes(node));
    const known = new Set(kept.map(({ name }) => name));
    const added = [...found]
      .filter(([name]) => !known.has(name))
      .map(([name, mark]): Node => ({ name, mark, looking: this.#connections(), isLookedAt: false }));
    this.#nodes = new Map([...kept, ...added].map(node => [node.name, node]));
    for (const { name, looking } of gone) {
      this.#away.delete(name);
      void looking.close();
    }
    // Shards move: what lies where is asked anew of those that are in use.
    if (found.size > 0 && this.#places.size > 0) await this.#place([...this.#places.keys()]);
    this.#askedAt = performance.now();
  }

  async #place(slices: readonly Slice[]): Promise<void> {
    const rows = await this.#asking.query(placesOf, [bigints(slices)]);
    if (this.#places.size + rows.length > placesMax) this.#places.clear();
    for (const [slice, node] of rows) this.#places.set(integer(slice), text(node));
    for (const slice of slices) this.#unplaced.delete(slice);
  }

  async #lookAt(node: Node): Promise<void> {
    node.isLookedAt = true;
    const silence = setTimeout(() => this.#leave(node, 'it does not answer'), this.#options.answerMsMax);
    try {
      await node.looking.query(look, [node.mark]);
      this.#return(node);
    } catch (error) {
      this.#leave(node, reasonOf(error));
    } finally {
      clearTimeout(silence);
      node.isLookedAt = false;
    }
  }

  #leave({ name }: Node, reason: string): void {
    if (!this.#nodes.has(name)) return;
    const isNews = !this.#away.has(name);
    this.#away.set(name, reason);
    if (!isNews) return;
    const accounts = this.accountsOn(name);
    const detail = { node: name, reason, accounts: accounts.length, among: accounts.slice(0, toldMax) };
    this.#options.observer.note({ level: 'error', message: 'a node of the database is away', detail });
    this.#abandon();
  }

  /** What is on no slices is on all nodes. */
  #abandon(): void {
    const isWanting = (subject: unknown) => !Array.isArray(subject) || subject.some(slice => this.isAway(slice));
    this.#options.abandon(this.#options.answerMsMax, isWanting);
  }

  #return({ name }: Node): void {
    if (this.#away.delete(name))
      this.#options.observer.note({ level: 'info', message: 'a node of the database is back', detail: { node: name } });
  }
}

/** What does not answer is told of by what it makes of a node. */
function toldOtherwise(): void {}

const isSpread: Statement = {
  name: 'is spread',
  text: `SELECT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'citus') AND to_regclass('pg_dist_partition') IS NOT NULL`,
};

const marksTried = 1000;
const place = (slice: string) => `
  JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column('summed', ${slice})
  JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'`;

/** Of negative numbers, which are of no account. */
const nodesAndMarks: Statement = {
  text: `SELECT n.nodename || ':' || n.nodeport, max(-k.number)
    FROM generate_series(1::bigint, ${marksTried}) k (number) ${place('-k.number')}
    WHERE EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = 'summed'::regclass) GROUP BY 1`,
};

const placesOf: Statement = {
  text: `SELECT u.slice, n.nodename || ':' || n.nodeport FROM unnest($1::bigint[]) u (slice) ${place('u.slice')}`,
};

const look: Statement = { name: 'look', text: 'SELECT s.until_tx FROM summed s WHERE s.account_id = $1' };

import { decimal, integer, type Row } from '../../postgres/cells.ts';
import type { Connections } from '../../postgres/connections.ts';
import type { Statement } from '../../postgres/session.ts';
import { type Counted, type RequestCounter, windowMs } from './request-counter.ts';

/** What a process knows to be spent, for so many keys. */
const spentKeysMax = 10_000;

type Spent = { readonly counted: Counted; readonly untilMs: number };

/**
 * Counts for all processes over one database, by the clock of the database: those of the processes differ, and one
 * that is ahead would give every account its minute anew. A budget that is spent stays spent until its minute ends, so
 * a flood of requests beyond it is answered from memory, and its row is left alone.
 */
export class SharedRequestCounter implements RequestCounter {
  readonly #connections: Connections;
  readonly #monotonicMs: () => number;
  readonly #spent = new Map<string, Spent>();

  /** Closes the connections when it is closed. */
  constructor(connections: Connections, monotonicMs: () => number = () => performance.now()) {
    this.#connections = connections;
    this.#monotonicMs = monotonicMs;
  }

  async add(key: string, enough: number): Promise<Counted> {
    const known = this.#known(key);
    if (known !== undefined && known.requests > enough) return known;
    const askedMs = this.#monotonicMs();
    const [row = []] = await this.#connections.query(addition, [key, windowMs]);
    const counted = read(row);
    if (counted.requests > enough) this.#remember(key, { counted, untilMs: askedMs + counted.resetMs });
    return counted;
  }

  async look(key: string): Promise<Counted | undefined> {
    const known = this.#known(key);
    if (known !== undefined) return known;
    const [row] = await this.#connections.query(lookUp, [key, windowMs]);
    return row && read(row);
  }

  /** Forgets the minutes that have ended. Those that another process is at work on are left to the next time. */
  async dropPast(): Promise<void> {
    await this.#connections.query(dropping);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  #known(key: string): Counted | undefined {
    const spent = this.#spent.get(key);
    if (spent === undefined) return undefined;
    const resetMs = spent.untilMs - this.#monotonicMs();
    if (resetMs > 0) return { requests: spent.counted.requests, resetMs };
    this.#spent.delete(key);
    return undefined;
  }

  #remember(key: string, spent: Spent): void {
    this.#spent.delete(key);
    const [oldest] = this.#spent.keys();
    if (oldest !== undefined && this.#spent.size >= spentKeysMax) this.#spent.delete(oldest);
    this.#spent.set(key, spent);
  }
}

function read([requests, resetMs]: Row): Counted {
  return { requests: integer(requests), resetMs: Math.max(0, decimal(resetMs)) };
}

const resetMs = `least($2, extract(epoch FROM c.ends_at - clock_timestamp()) * 1000)::double precision`;

/** One moment for both columns; a minute that seems to end later than it can is one of a clock that was set back. */
const addition: Statement = {
  name: 'request_added',
  text: `INSERT INTO request_count AS c (key, requests, ends_at)
    VALUES ($1, 1, clock_timestamp() + $2 * interval '1 millisecond')
    ON CONFLICT (key) DO UPDATE SET
      requests = CASE WHEN c.ends_at <= excluded.ends_at - $2 * interval '1 millisecond' THEN 1 ELSE c.requests + 1 END,
      ends_at = CASE WHEN c.ends_at <= excluded.ends_at - $2 * interval '1 millisecond' THEN excluded.ends_at
        ELSE least(c.ends_at, excluded.ends_at) END
    RETURNING c.requests, ${resetMs}`,
};

const lookUp: Statement = {
  name: 'requests_counted',
  text: `SELECT c.requests, ${resetMs} FROM request_count c WHERE c.key = $1 AND c.ends_at > clock_timestamp()`,
};

const dropping: Statement = {
  text: `DELETE FROM request_count WHERE key IN
    (SELECT p.key FROM request_count p WHERE p.ends_at <= clock_timestamp() ORDER BY p.key FOR UPDATE SKIP LOCKED)`,
};

import { randomUUID } from 'node:crypto';
import { text } from '../../../postgres/cells.ts';
import { Connections, type PoolOptions } from '../../../postgres/connections.ts';
import type { Statement } from '../../../postgres/session.ts';
import { type Snapshot, snapshotColumnCount, snapshotColumns, snapshotIn } from '../server/snapshot.ts';

/** A row that was written when all of `snapshot` was there: whoever shows it, shows that too. */
export type Beat = {
  readonly number: number;
  /** By `performance.now()`, before it was sent: what was durable then is in the snapshot. */
  readonly sentAtMs: number;
  readonly snapshot: Snapshot;
  /** The cluster that took it. */
  readonly systemIdentifier: string;
};

/**
 * Writes a row time and again, by which a replica proves how recent it is. Positions in the write-ahead log would not:
 * one behind another server that was promoted out of the same cluster goes on counting them, with other content.
 */
export class Heartbeat {
  /** Tells this process's row from those of others. */
  readonly process = randomUUID();
  /** Of its own, so that a beat waits for nobody. */
  readonly #connections: Connections;
  #beats: readonly Beat[] = [];
  #numbers = 0;

  constructor(options: Omit<PoolOptions, 'max' | 'settings'>) {
    // It need not last, only travel: with synchronous replicas it would wait for them, and others would wait behind it.
    this.#connections = new Connections({ ...options, max: 1, settings: { synchronous_commit: 'local' } });
  }

  get latest(): Beat | undefined {
    return this.#beats.at(-1);
  }

  /** Keeps those beats of the last `keptMs`. */
  async beat(keptMs: number): Promise<void> {
    const number = ++this.#numbers;
    if (number === 1) await this.#connections.query(dropOld);
    const sentAtMs = performance.now();
    const [row = []] = await this.#connections.query(beat, [this.process, number]);
    const since = sentAtMs - keptMs;
    const beats = this.#beats.filter(one => one.sentAtMs >= since);
    this.#beats = [
      ...beats,
      { number, sentAtMs, snapshot: snapshotIn(row), systemIdentifier: text(row[snapshotColumnCount]) },
    ];
  }

  /** The newest beat that was told of, up to this number. */
  upTo(number: number): Beat | undefined {
    return this.#beats.findLast(beat => beat.number <= number);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

/** The snapshot is taken before the row is written: the row's commit follows all that the snapshot shows. */
const beat: Statement = {
  name: 'beat',
  text: `
    INSERT INTO heartbeat (process, number) VALUES ($1, $2)
    ON CONFLICT (process) DO UPDATE SET number = excluded.number, beaten_at = now()
    RETURNING ${snapshotColumns}, (SELECT c.system_identifier::text FROM pg_control_system() c)`,
};

/** Of processes that ended. */
const dropOld = `DELETE FROM heartbeat WHERE beaten_at < now() - interval '1 day'`;

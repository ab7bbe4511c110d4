import type { EpochMs } from '../domain/message.ts';
import { integer, optional } from './cells.ts';
import type { Connections } from './connections.ts';

/** What the clock of a server said when one last swept the log; all servers share it. */
export class ClockRow {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async seen(): Promise<EpochMs | undefined> {
    const [[seen] = []] = await this.#connections.query('SELECT s.seen_at FROM sweep_clock s');
    return optional(seen, integer);
  }

  async see(now: EpochMs): Promise<void> {
    await this.#connections.query(
      'INSERT INTO sweep_clock (seen_at) VALUES ($1) ON CONFLICT (is_one) DO UPDATE SET seen_at = excluded.seen_at',
      [now],
    );
  }
}

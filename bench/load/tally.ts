import { latencies } from '../statistics.ts';
import { type Answer, Connection } from './connection.ts';
import type { LoadResult } from './plan.ts';

export type Server = { readonly port: number; readonly authorization: string };

/** Counts what came back, and how long each request took. */
export class Tally {
  readonly #startedAt = performance.now();
  readonly #latenciesMs: number[] = [];
  records = 0;

  async time(request: () => Promise<Answer>): Promise<Answer> {
    const sentAt = performance.now();
    const answer = await request();
    if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body.toString().slice(0, 500)}`);
    this.#latenciesMs.push(performance.now() - sentAt);
    return answer;
  }

  get passedMs(): number {
    return performance.now() - this.#startedAt;
  }

  result(digests: readonly string[] = []): LoadResult {
    const durationMs = this.passedMs;
    const latency = this.#latenciesMs.length > 0 ? { latency: latencies(this.#latenciesMs) } : {};
    return { records: this.records, durationMs, ...latency, digests };
  }
}

export async function onConnections(
  count: number,
  server: Server,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  const connections = Array.from({ length: count }, () => new Connection(server.port, server.authorization));
  try {
    await Promise.all(connections.map(work));
  } finally {
    await Promise.all(connections.map(connection => connection.close()));
  }
}

export function unexpected(what: string, count: number, answer: Answer): Error {
  return new Error(`expected ${count} ${what}, got ${answer.body.toString().slice(0, 500)}`);
}

import type { Server } from 'node:http';
import { type Latencies, latencies } from '../statistics.ts';

const timingsMax = 2_000_000;

/**
 * Times each request inside the server: from its headers being there to the answer being handed to the kernel. That
 * leaves out the load generator, which shares the machine, and the way between the two.
 */
export class RequestTimings {
  #durationsMs: number[] = [];

  watch(server: Server): void {
    server.prependListener('request', (_request, response) => {
      const startedAt = performance.now();
      response.once('finish', () => {
        if (this.#durationsMs.length < timingsMax) this.#durationsMs.push(performance.now() - startedAt);
      });
    });
  }

  /** Of the requests since it was last taken; `undefined` when there were none. */
  take(): Latencies | undefined {
    const durationsMs = this.#durationsMs;
    this.#durationsMs = [];
    return durationsMs.length === 0 ? undefined : latencies(durationsMs);
  }
}

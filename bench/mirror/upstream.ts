import { once } from 'node:events';
import { createServer } from 'node:http';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import type { MadeLog, MadeTraffic } from './made-log.ts';
import { clockHeader, liveHeader, upstreamKey } from './plan.ts';

export type Upstream = { readonly url: string; close(): Promise<void> };

/** A simulated Infobip on a port, whose clock is that of whoever asks. */
export async function serveUpstream(log: MadeLog, { seed, startsAt }: MadeTraffic): Promise<Upstream> {
  let now = startsAt;
  const infobip = new SimulatedInfobip({ seed: String(seed), clock: () => now, keys: [upstreamKey], log });
  // A connection that the server closes for being idle may be one that a starved process is writing on: the caller closes them.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    now = Number(headers[clockHeader]);
    log.liveFrom = Number(headers[liveHeader] ?? Number.POSITIVE_INFINITY);
    const answer = infobip.answer({ method, target: url, authorization: headers.authorization });
    response.sendDate = false;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the simulated Infobip has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

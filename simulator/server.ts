import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { SimulatedAnswer, SimulatedInfobip } from './infobip.ts';

export type SimulatedServer = { readonly url: string; readonly close: () => Promise<void> };

/** The simulated Infobip behind a port of this machine, with everything that can go wrong on the way. */
export async function serveInfobip(infobip: SimulatedInfobip, port = 0): Promise<SimulatedServer> {
  const server = createServer((request, response) => {
    if (infobip.isAway) {
      request.socket.destroy();
      return;
    }
    const { method = 'GET', url: target = '/', headers } = request;
    text(request).then(
      body => send(infobip.answer({ method, target, authorization: headers.authorization, body }), response),
      () => response.destroy(),
    );
  });
  server.listen(port, '127.0.0.1');
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

/** So slow that it shows, and no slower. */
const slowPieces = 8;
const slowPauseMs = 25;

function send({ status, headers, body, delivery }: SimulatedAnswer, response: ServerResponse): void {
  if (delivery === 'lost') {
    response.destroy();
    return;
  }
  const bytes = Buffer.from(body);
  response.sendDate = false;
  response.writeHead(status, { ...headers, 'content-length': bytes.length });
  if (delivery === 'cut') response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  else if (delivery === 'slow') dribble(bytes, response);
  else response.end(bytes);
}

function dribble(bytes: Buffer, response: ServerResponse): void {
  const piece = Math.ceil(bytes.length / slowPieces);
  let at = 0;
  const next = () => {
    if (response.destroyed) return;
    response.write(bytes.subarray(at, at + piece));
    at += piece;
    if (at >= bytes.length) response.end();
    else setTimeout(next, slowPauseMs);
  };
  next();
}

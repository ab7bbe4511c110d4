import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Answer, type LogCalls, logsPath } from './log-calls.ts';

export type UploadOptions = {
  readonly type: string;
  /** Says the length beforehand; without it the body goes in chunks. */
  readonly lengthBytes?: number;
};

/** POSTs a body piece by piece, no faster than the server takes it; an answer may come before the body's end. */
export async function upload(
  calls: LogCalls,
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
  { type, lengthBytes }: UploadOptions,
): Promise<Answer> {
  const outgoing = request(calls.address + logsPath, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: calls.authorization,
      'content-type': type,
      ...(lengthBytes !== undefined && { 'content-length': lengthBytes }),
    },
  });
  const answered: { by?: IncomingMessage; failed?: Error } = {};
  const over = new Promise<void>(resolve => {
    outgoing.on('response', incoming => {
      answered.by ??= incoming;
      resolve();
    });
    // A server that has answered may close while we still send.
    outgoing.on('error', error => {
      answered.failed ??= error;
      resolve();
    });
  });
  for await (const piece of pieces) {
    if (answered.by !== undefined || answered.failed !== undefined) break;
    if (!outgoing.write(piece)) await Promise.race([once(outgoing, 'drain').catch(() => {}), over]);
  }
  if (answered.by === undefined && answered.failed === undefined) outgoing.end();
  await over;
  if (answered.by === undefined) throw answered.failed ?? new Error('no answer');
  const text = await textOf(answered.by);
  outgoing.destroy();
  const headers = new Headers();
  for (const [name, value] of Object.entries(answered.by.headers)) headers.set(name, String(value));
  return { status: answered.by.statusCode ?? 0, headers, text };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  incoming.setEncoding('utf8');
  for await (const part of incoming) text += part;
  return text;
}

/** A plain connection to a server, for clients that behave as no HTTP library does. */
export async function openSocket(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  // What matters is what the server does; a reset is one of the things it may do.
  socket.on('error', () => {});
  return socket;
}

export function requestHead(calls: LogCalls, method: string, path: string, headers: readonly string[] = []): string {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', `Authorization: ${calls.authorization}`, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

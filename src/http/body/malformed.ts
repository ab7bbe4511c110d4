import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Violation } from '../../domain/message.ts';
import { http } from '../../node-http.ts';
import { type ErrorCode, errorAnswer, errorTable } from '../errors.ts';

/**
 * What Node's parser refuses never becomes a request; its answer is written to the connection by hand. `latest` is the
 * last answer that the connection was asked for.
 */
export function answerMalformed(error: Error, socket: Socket, latest: ServerResponse | undefined): void {
  const violation = { property: 'request', violation: 'is not sound HTTP' };
  answerByHand(codeOf('code' in error ? String(error.code) : ''), violation, socket, latest);
}

/** Of CONNECT Node makes no request either, and leaves the connection to whoever wants it: its failures, too. */
export function refuseConnect(socket: Socket, latest: ServerResponse | undefined): void {
  socket.on('error', () => socket.destroy());
  // It would be taken for the answer to the request before.
  if (latest?.writableFinished === false) socket.destroy();
  else
    answerByHand('E400', { property: 'method', violation: 'is CONNECT, and this server is no proxy' }, socket, latest);
}

function answerByHand(code: ErrorCode, violation: Violation, socket: Socket, latest: ServerResponse | undefined): void {
  // Into an answer that has begun nothing more can be written.
  const begun = latest?.headersSent === true && !latest.writableFinished;
  if (begun || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = errorTable[code];
  const body = JSON.stringify(errorAnswer(code, [violation]));
  const lines = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${randomUUID()}`,
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function codeOf(parserCode: string): ErrorCode {
  switch (parserCode) {
    case 'HPE_HEADER_OVERFLOW':
      return 'E431';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'E408';
    default:
      return 'E400';
  }
}

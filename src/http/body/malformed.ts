import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { http } from '../../node-http.ts';
import { type ErrorCode, errorAnswer, errorTable } from '../errors.ts';

/**
 * What Node's parser refuses never becomes a request; its answer is written to the connection by hand. `latest` is the
 * last answer that the connection was asked for.
 */
export function answerMalformed(error: Error, socket: Socket, latest: ServerResponse | undefined): void {
  // Into an answer that has begun nothing more can be written.
  const begun = latest?.headersSent === true && !latest.writableFinished;
  if (begun || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = codeOf('code' in error ? String(error.code) : '');
  const { status } = errorTable[code];
  const body = JSON.stringify(errorAnswer(code, [{ property: 'request', violation: 'is not sound HTTP' }]));
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

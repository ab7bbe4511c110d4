import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const sane = /^[\w.:/+=@~-]{1,128}$/;

/** The caller's own `X-Request-Id` if it is a sane one, so that its logs and ours can be laid side by side. */
export function requestId(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && sane.test(given) ? given : randomUUID();
}

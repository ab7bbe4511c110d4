import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { bodyTimes, readBody } from '../body.ts';
import type { Closing } from '../closing.ts';
import type { MetaWebhooks, ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { HeldBytes } from '../held-bytes.ts';
import { type Call, type Route, rawQuery } from '../route.ts';

type Deps = Pick<ServerDeps, 'timeouts'> & { readonly metaWebhooks: MetaWebhooks };
type OpenCall = Omit<Call, 'principal'>;

const path = '/webhooks/meta';
/** Meta batches up to a thousand events; a bound that cuts them would have it call again for ever. */
const bodyBytesMax = 8 * 1024 * 1024;

/** `GET` and `POST /webhooks/meta`: what Meta calls. They prove themselves by a token, and by their signature. */
export function metaWebhookRoutes(deps: Deps, closing: Closing, held: HeldBytes): readonly Route[] {
  return [
    { method: 'GET', path, answer: (call: OpenCall) => verify(call, deps) },
    { method: 'POST', path, answer: (call: OpenCall) => receive(call, deps, closing, held) },
  ];
}

async function verify({ request, reply }: OpenCall, { metaWebhooks }: Deps): Promise<string> {
  const query = new URLSearchParams(rawQuery(request));
  const challenge = query.get('hub.challenge') ?? '';
  const { verifyToken } = metaWebhooks;
  const isOurs = verifyToken !== undefined && isSame(query.get('hub.verify_token') ?? '', verifyToken);
  if (query.get('hub.mode') !== 'subscribe' || !isOurs) throw new ApiError('E403');
  if (!/^[\w-]{1,256}$/.test(challenge)) throw invalid('hub.challenge', 'must be what Meta sends');
  reply.type('text/plain; charset=utf-8');
  return challenge;
}

/** Stored before it is answered: what Meta was told 200 for never comes again. */
async function receive(call: OpenCall, deps: Deps, closing: Closing, held: HeldBytes): Promise<string> {
  const { metaWebhooks, timeouts } = deps;
  const { headers, raw } = call.request;
  const hold = held.holder();
  try {
    const bytes = await readBody(raw, bodyBytesMax, bodyTimes(timeouts, closing.over), hold.add);
    // Counted with the requests of its route, by their status; nothing else remains of it.
    if (!(await isSigned(bytes, headers['x-hub-signature-256'], metaWebhooks))) throw new ApiError('E403');
    if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
    // An object that is not a page is none that was asked for.
    if (!(await metaWebhooks.receive(parsed(bytes)))) throw new ApiError('E404');
    call.reply.type('text/plain; charset=utf-8');
    return 'EVENT_RECEIVED';
  } finally {
    hold.release();
  }
}

/** Over the bytes as they came: the same JSON written anew has another signature. */
async function isSigned(bytes: Buffer, header: unknown, { appSecrets }: MetaWebhooks): Promise<boolean> {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(typeof header === 'string' ? header : '')?.[1];
  if (hex === undefined) return false;
  const given = Buffer.from(hex, 'hex');
  const secrets = await appSecrets();
  return secrets.some(secret => timingSafeEqual(createHmac('sha256', secret).update(bytes).digest(), given));
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compared').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw invalid('body', 'is not JSON');
  }
}

import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { limits } from '../../limits.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import type { EventLoop } from '../body/event-loop.ts';
import type { HeldBytes } from '../body/held-bytes.ts';
import { readMetaBody, readMetaEvents } from '../body/meta-webhook.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { MetaWebhooks } from '../parts.ts';
import { type OpenCall, type Route, rawQuery } from '../route.ts';

type Deps = Pick<ServerDeps, 'timeouts'> & { readonly metaWebhooks: MetaWebhooks };
type Shared = { readonly closing: Closing; readonly loop: EventLoop; readonly held: HeldBytes };

const path = '/webhooks/meta';
/** `GET` and `POST /webhooks/meta`: what Meta calls. They prove themselves by a token, and by their signature. */
export function metaWebhookRoutes(deps: Deps, shared: Shared): readonly Route[] {
  return [
    { method: 'GET', path, answer: (call: OpenCall) => verify(call, deps) },
    { method: 'POST', path, answer: (call: OpenCall) => receive(call, deps, shared) },
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
async function receive(call: OpenCall, deps: Deps, { closing, loop, held }: Shared): Promise<string> {
  const { metaWebhooks, timeouts } = deps;
  const { headers, raw } = call.request;
  const hold = held.holder();
  try {
    const bytes = await readBody(raw, limits.metaWebhookBodyBytesMax, bodyTimes(timeouts, closing.over), hold.add);
    const isSignedWith = signature(bytes, headers['x-hub-signature-256']);
    const stretch = loop.stretch();
    // What is no body of Meta's names no page, and so is proven by nothing; counted by its status, nothing else remains of it.
    const outline = isSignedWith && isUtf8(bytes) && (await stretch.run(readMetaBody(bytes.toString())));
    if (!isSignedWith || !outline) throw new ApiError('E403');
    const pages = [...new Set(outline.entries.map(one => one.page))];
    const proven = await metaWebhooks.prove(pages, isSignedWith);
    call.reply.type('text/plain; charset=utf-8');
    if (proven.size === 0) {
      const isOurs = bytes.length <= limits.strangeWebhookBytesMax && (await metaWebhooks.isOurs(pages, isSignedWith));
      if (!isOurs) throw new ApiError('E403');
      return 'EVENT_RECEIVED';
    }
    const events = await stretch.run(readMetaEvents(outline));
    if (events === undefined) throw new ApiError('E403');
    // An object that is not a page is none that was asked for.
    if (!(await metaWebhooks.receive(events.body, proven, events.leftOut))) throw new ApiError('E404');
    return 'EVENT_RECEIVED';
  } finally {
    hold.release();
  }
}

/** Over the bytes as they came: the same JSON written anew has another signature. `undefined` when it cannot be one. */
function signature(bytes: Buffer, header: unknown): ((secret: string) => boolean) | undefined {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(typeof header === 'string' ? header : '')?.[1];
  if (hex === undefined) return undefined;
  const given = Buffer.from(hex, 'hex');
  return secret => timingSafeEqual(createHmac('sha256', secret).update(bytes).digest(), given);
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compared').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

import { parseAuthorization } from '../../accounts/authorization-header.ts';
import { limits } from '../../limits.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import type { EventLoop } from '../body/event-loop.ts';
import type { HeldBytes } from '../body/held-bytes.ts';
import { mediaType } from '../body/media-type.ts';
import { readWebhook } from '../body/webhook-reports.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { OpenCall, Route } from '../route.ts';

type Deps = Pick<ServerDeps, 'webhooks' | 'timeouts'>;
type Shared = { readonly closing: Closing; readonly loop: EventLoop; readonly held: HeldBytes };

/**
 * `POST /webhooks/infobip/{mirror}`, with or without a secret at the end of its path: what the other side of a mirror
 * tells of its messages. Stored before it is answered.
 */
export function webhookRoutes(deps: Deps, shared: Shared): readonly Route[] {
  const answer = (call: OpenCall) => receive(call, deps, shared);
  return ['/webhooks/infobip/:mirror', '/webhooks/infobip/:mirror/:secret'].map(path => ({
    method: 'POST',
    path,
    answer,
  }));
}

async function receive(
  { request }: OpenCall,
  { webhooks, timeouts }: Deps,
  { closing, loop, held }: Shared,
): Promise<string> {
  const claim = parseAuthorization(request.headers.authorization ?? '');
  const proof = {
    path: part(request.params, 'secret'),
    // Other credentials prove nothing here, and are not to be passed over.
    basic:
      request.headers.authorization === undefined
        ? undefined
        : claim?.kind === 'basic'
          ? { user: claim.username, password: claim.password }
          : { user: '', password: '' },
  };
  const admitted = webhooks?.admit(part(request.params, 'mirror') ?? '', proof);
  // One answer for a mirror that is not there and for a secret that is wrong.
  if (webhooks === undefined || admitted === undefined) throw notAdmitted();
  const type = mediaType(request.headers['content-type'], ['application/json', 'application/xml', 'text/xml']);
  const hold = held.holder();
  try {
    const times = bodyTimes(timeouts, closing.over);
    const body = (await readBody(request.raw, limits.webhookBodyBytesMax, times, hold.add)).toString();
    const reading = readWebhook(body, type === 'application/json' ? 'json' : 'xml');
    const said = await loop.stretch().run(reading);
    // A body may come slowly, and its mirror be removed meanwhile.
    if (!(await webhooks.take(admitted, said))) throw notAdmitted();
    return '{}';
  } finally {
    hold.release();
  }
}

const notAdmitted = () => new ApiError('E401', { headers: { 'www-authenticate': 'Basic realm="sentlog webhooks"' } });

function part(params: unknown, name: string): string | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const value: unknown = Reflect.get(params, name);
  return typeof value === 'string' ? value : undefined;
}

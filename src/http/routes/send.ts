import { isUtf8 } from 'node:buffer';
import type { Binding, Violation } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { sendAnswer } from '../../wire/send/send-answer.ts';
import { parseSendRequest } from '../../wire/send/send-request.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import type { HeldBytes } from '../body/held-bytes.ts';
import { mediaType } from '../body/media-type.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { Sending } from '../parts.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'clock' | 'timeouts'> & { readonly sending: Sending };

/** `POST /messenger/1/messages` */
export function sendRoute(deps: Deps, closing: Closing, held: HeldBytes): Route {
  return {
    method: 'POST',
    path: '/messenger/1/messages',
    access: { scope: 'messenger:message:send', budget: 'writes' },
    answer: (call: Call) => send(call, deps, closing, held),
  };
}

async function send(
  { principal, request, lost }: Call,
  deps: Deps,
  closing: Closing,
  held: HeldBytes,
): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  mediaType(request.headers['content-type'], ['application/json']);
  const hold = held.holder();
  try {
    const times = bodyTimes(deps.timeouts, closing.over, lost);
    const bytes = await readBody(request.raw, limits.jsonBodyBytesMax, times, hold.add);
    const { bulkId, messages } = sound(parseSendRequest(parsed(bytes), deps.clock()));
    const accepted = await deps.sending.accept(principal.account.id, bound(messages, principal.binding));
    return sendAnswer(bulkId, accepted);
  } finally {
    hold.release();
  }
}

function parsed(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw invalid('body', 'is not JSON');
  }
}

/** A bound key sends only its own application's or entity's messages: their ids are filled in. */
function bound(messages: readonly Outgoing[], binding: Binding): readonly Outgoing[] {
  const violations: Violation[] = [];
  for (const name of ['entityId', 'applicationId'] as const)
    if (binding[name] !== undefined && messages.some(one => one[name] !== undefined && one[name] !== binding[name]))
      violations.push({ property: `options.platform.${name}`, violation: 'is not the one that this key is bound to' });
  if (violations.length > 0) throw new ApiError('E400', { violations });
  return messages.map(one => ({ ...one, ...binding }));
}

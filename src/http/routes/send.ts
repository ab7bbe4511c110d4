import { isUtf8 } from 'node:buffer';
import type { Binding, EpochMs, Violation } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import { parsedChars } from '../../wire/json-source.ts';
import type { Parsed } from '../../wire/parsed.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { sendAnswer } from '../../wire/send/send-answer.ts';
import { parseSendRequest, type SendOrder, SendReading } from '../../wire/send/send-request.ts';
import { requestedMessageSchema } from '../../wire/send/send-schemas.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import type { EventLoop, Stretch } from '../body/event-loop.ts';
import type { HeldBytes } from '../body/held-bytes.ts';
import { jsonIn } from '../body/json-outline.ts';
import { elementTexts, fieldTexts, fieldValue } from '../body/json-records.ts';
import { readJson } from '../body/json-value.ts';
import { mediaType } from '../body/media-type.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { Sending } from '../parts.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'clock' | 'timeouts'> & { readonly sending: Sending };
type Shared = { readonly closing: Closing; readonly loop: EventLoop; readonly held: HeldBytes };

/** `POST /messenger/1/messages` */
export function sendRoute(deps: Deps, shared: Shared): Route {
  return {
    method: 'POST',
    path: '/messenger/1/messages',
    access: { scope: 'messenger:message:send', budget: 'writes' },
    answer: (call: Call) => send(call, deps, shared),
  };
}

async function send({ principal, request, lost }: Call, deps: Deps, { closing, loop, held }: Shared): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  mediaType(request.headers['content-type'], ['application/json']);
  const hold = held.holder();
  try {
    const times = bodyTimes(deps.timeouts, closing.over, lost);
    const bytes = await readBody(request.raw, limits.jsonBodyBytesMax, times, hold.add);
    const { bulkId, messages } = sound(await order(bytes, deps.clock(), loop.stretch()));
    // Of a long body the messages take their time to be read, too.
    lost.throwIfAborted();
    const accepted = await deps.sending.accept(principal.account.id, bound(messages, principal.binding));
    return await sendAnswer(bulkId, accepted);
  } finally {
    hold.release();
  }
}

/** Of a body up to this all is parsed at once. */
const wholeCharsMax = 16 * 1024;

async function order(bytes: Buffer, now: EpochMs, stretch: Stretch): Promise<Parsed<SendOrder>> {
  if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
  const body = bytes.toString();
  return body.length > wholeCharsMax
    ? stretch.run(inPieces(body, now))
    : parseSendRequest(parsed(body, 'body'), now, body);
}

/** Message by message: a body of 10 KB may unpack to a million of them. */
function* inPieces(body: string, now: EpochMs): Generator<number, Parsed<SendOrder>> {
  const reading = new SendReading();
  const frame: [name: string, value: unknown][] = [];
  const other = (name: string, text: string) => {
    frame.push([name, fieldValue(name, text, limits.contentBytesMax)]);
  };
  const { jsonBodyBytesMax: elementBytesMax, sendMessagesMax } = limits;
  let index = 0;
  for (const element of elementTexts(body, { list: 'messages', of: 'messages', elementBytesMax, other })) {
    if (typeof element === 'number') {
      yield element;
      continue;
    }
    const path = `messages[${index++}]`;
    if (index > sendMessagesMax) throw invalid('messages', `must have at most ${sendMessagesMax} messages`);
    const { text = '' } = element;
    if (text.length <= wholeCharsMax) reading.take(parsed(text, path), text);
    else reading.take(yield* readJson(text, requestedMessageSchema, path), yield* contentOf(text, path));
    yield parsedChars(text);
  }
  return yield* reading.finish(Object.fromEntries(frame), now);
}

/** A message without all but its content: with many destinations it is too long to be looked through at once. */
function* contentOf(message: string, path: string): Generator<number, string> {
  let content = '{}';
  for (const field of fieldTexts(message, path))
    if (typeof field === 'number') yield field;
    else if (field[0] === 'content') content = `{"content":${field[1]}}`;
  return content;
}

function parsed(text: string, property: string): unknown {
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw invalid(property, 'is not JSON');
  return value;
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

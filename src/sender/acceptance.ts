import { setImmediate } from 'node:timers/promises';
import type { AccountId, EpochMs } from '../domain/message.ts';
import type { Lane, Outgoing } from '../domain/outgoing.ts';
import { deliveryErrorNamed, noError, pendingAccepted, type Status, statusNamed } from '../domain/registry.ts';
import { graphBody, isRefusal, laneOf, type Refusal } from '../graph/bodies.ts';
import { limits } from '../limits.ts';
import type { NewMessage, Outbox } from '../outbox/outbox.ts';
import type { Store } from '../store/store.ts';
import { checkOf } from '../wire/schema-check.ts';
import type { Accepted } from '../wire/send/send-answer.ts';
import { sendContentSchema } from '../wire/send/send-content.ts';
import type { Page, Pages } from './carrier.ts';

export type AcceptanceDeps = {
  readonly outbox: Pick<Outbox, 'add'>;
  readonly store: Pick<Store, 'find'>;
  readonly pages: Pages;
  readonly clock: () => EpochMs;
  readonly retentionOf: (account: AccountId) => number;
};

const duplicate = statusNamed('REJECTED_DUPLICATE_MESSAGE_ID');
const missingTo: Refusal = { status: statusNamed('MISSING_TO'), error: noError };
const configuration = deliveryErrorNamed('EC_CONFIGURATION_ERROR');
const unknownSender: Refusal = { status: statusNamed('REJECTED_SOURCE'), error: configuration };
const noSenders: Refusal = { status: statusNamed('REJECTED_ROUTE_NOT_AVAILABLE'), error: configuration };

/** What a message costs besides its content. */
const messageChars = 250;

const contentCheck = checkOf(sendContentSchema);

/** Takes messages into the outbox: durable when it resolves. One that cannot be sent is a message of the log all the same. */
export class Acceptance {
  readonly #deps: AcceptanceDeps;

  constructor(deps: AcceptanceDeps) {
    this.#deps = deps;
  }

  async accept(account: AccountId, messages: readonly Outgoing[]): Promise<readonly Accepted[]> {
    const { outbox, clock } = this.#deps;
    const logged = await this.#idsInLog(account, messages);
    const unknown = messages.filter(one => !logged.has(one.messageId));
    const senders = await this.#senders(account, new Set(unknown.map(one => one.sender)));
    const contents = new Map<string, Judged>();
    const fresh: Fresh[] = [];
    let chars = 0;
    const now = clock();
    const validityMsMax = shownValidityMs(this.#deps.retentionOf(account));
    for (const one of unknown) {
      const expiresAt = Math.min(one.expiresAt, Math.max(one.dueAt, now) + validityMsMax);
      fresh.push(newMessage({ ...one, expiresAt }, senders.get(one.sender), contents));
      chars += one.contentJson.length + messageChars;
      // Others have their turn: a request may hold megabytes of contents.
      if (chars > limits.stretchChars) {
        chars = 0;
        await setImmediate();
      }
    }
    const taken = await outbox.add({ account, messages: fresh.map(one => one.message), now });
    let index = 0;
    return messages.map(({ messageId, destination }) => {
      const at = logged.has(messageId) ? -1 : index++;
      const status = taken[at] === true ? (fresh[at]?.status ?? pendingAccepted) : duplicate;
      return { messageId, destination, status };
    });
  }

  /** The log may have a message of this id that came another way. */
  async #idsInLog(account: AccountId, messages: readonly Outgoing[]): Promise<ReadonlySet<string>> {
    const { store, clock, retentionOf } = this.#deps;
    const given = messages.filter(one => one.isIdGiven).map(one => one.messageId);
    const known = new Set<string>();
    for (let start = 0; start < given.length; start += limits.pageLogsMax) {
      const messageId = given.slice(start, start + limits.pageLogsMax);
      const sentSince = clock() - retentionOf(account);
      const query = { account, filter: { messageId }, sentSince, limit: limits.pageLogsMax, walk: false };
      for (const log of (await store.find(query)).logs) known.add(log.messageId);
    }
    return known;
  }

  async #senders(account: AccountId, names: ReadonlySet<string>): Promise<ReadonlyMap<string, Page | Refusal>> {
    const { pages } = this.#deps;
    const senders = new Map<string, Page | Refusal>();
    for (const name of names) {
      const page = await pages.page(account, name);
      senders.set(name, page ?? ((await pages.hasAny(account)) ? unknownSender : noSenders));
    }
    return senders;
  }
}

/** A message must not outlive the log's memory of it: that it expired would show nowhere. */
function shownValidityMs(retentionMs: number): number {
  return Math.max(retentionMs - limits.expiryShownMs, retentionMs / 2);
}

/** What can be told of a content once, for all messages that have it. */
type Judged = { readonly lane: Lane; readonly refusal?: Refusal };

type Fresh = { readonly message: NewMessage; readonly status: Status };

function newMessage(one: Outgoing, sender: Page | Refusal | undefined, contents: Map<string, Judged>): Fresh {
  const key = `${one.quickRepliesJson !== undefined} ${one.contentJson}`;
  const judged = contents.get(key) ?? judge(one);
  contents.set(key, judged);
  const { lane, refusal: ofContent } = judged;
  if (sender === undefined) throw new RangeError('a sender was not looked up');
  const refusal = 'error' in sender ? sender : one.destination === '' ? missingTo : ofContent;
  if (refusal === undefined) {
    const price = 'price' in sender ? sender.price : undefined;
    return { message: { ...one, lane, ...(price !== undefined && { price }) }, status: pendingAccepted };
  }
  const end = { statusKey: refusal.status.key, errorKey: refusal.error.key };
  return { message: { ...one, lane, end }, status: refusal.status };
}

function judge({ messageId, destination, contentJson, quickRepliesJson }: Outgoing): Judged {
  const content: unknown = JSON.parse(contentJson);
  if (!contentCheck.Check(content)) throw new TypeError('a message was accepted with a content that cannot be sent');
  const inner = content.type === 'COMMENT' || content.type === 'POST' ? content.content : content;
  const quickReplies = quickRepliesJson === undefined ? {} : { quickReplies: [] };
  const body = graphBody({ messageId, destination, content, ...quickReplies });
  return { lane: laneOf(inner.type), ...(isRefusal(body) && { refusal: body }) };
}

import { randomBytes } from 'node:crypto';
import type { EpochMs } from '../domain/message.ts';
import { type Behaviour, behaviourNamed, behaviourOf, type GraphError } from './destinations.ts';
import type { DrivenClock } from './driven-clock.ts';
import { SeededRandom, seedOf } from './random.ts';
import { isFields, refusalOf, textOf } from './refusals.ts';
import type { SimulatorTerms } from './terms.ts';

/** A message that was sent, as only Meta knows it: what a log can be compared with. */
export type SentMessage = {
  readonly mid: string;
  readonly page: string;
  readonly psid: string;
  readonly metadata?: string;
  readonly at: EpochMs;
  readonly message: Readonly<Record<string, unknown>>;
  readonly behaviour: string;
  deliveredAt?: EpochMs;
  seenAt?: EpochMs;
};

/** The messages of one, oldest first, and how many of them are delivered and seen: all before those are. */
type Conversation = { readonly messages: SentMessage[]; delivered: number; seen: number };

/** How a call to send ends: with an answer, or without one. */
export type Reply =
  | {
      readonly kind: 'answer';
      readonly httpStatus: number;
      readonly body: object;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused' };

/** One event of a webhook, and the page it is of. */
export type PageEvent = { readonly page: string; readonly event: Readonly<Record<string, unknown>> };

/** The app that a simulated page's messages are sent by. */
export const appId = 900_000_000_000_001;

/** So many messages are remembered where nobody says how many: older ones are forgotten. */
const sentMaxPreset = 250_000;
const refusalsMax = 250_000;

/**
 * Meta as a program sees it that sends over a page: it takes messages, gives them ids, and tells by events what became of
 * them. It sends nowhere. Calls to send are judged as Graph does; the destination's name decides the rest.
 */
export class SimulatedMeta {
  readonly #clock: DrivenClock;
  readonly #terms: SimulatorTerms;
  readonly #tell: (event: PageEvent) => void;
  readonly #sentMax: number;
  #sends = 0;
  #forgotten = 0;
  /** Ids of before a reset, or of another process, do not come again: whoever was told of them may remember. */
  #resets = 0;
  readonly #run = randomBytes(6).toString('base64url');
  readonly #sent = new Map<string, SentMessage>();
  readonly #byMetadata = new Map<string, SentMessage>();
  readonly #conversations = new Map<string, Conversation>();
  /** Of each message that is refused a few times: how often it was. */
  readonly #refusals = new Map<string, number>();
  #isDown = false;

  constructor(
    clock: DrivenClock,
    terms: SimulatorTerms,
    tell: (event: PageEvent) => void,
    sentMax: number = sentMaxPreset,
  ) {
    this.#clock = clock;
    this.#terms = terms;
    this.#tell = tell;
    this.#sentMax = sentMax;
  }

  get clock(): DrivenClock {
    return this.#clock;
  }

  get terms(): SimulatorTerms {
    return this.#terms;
  }

  /** While it is down, no connection can be made. */
  set isDown(isDown: boolean) {
    this.#isDown = isDown;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** What was sent, oldest first, but for what is forgotten. */
  sent(): readonly SentMessage[] {
    return [...this.#sent.values()];
  }

  /** How many messages were sent before those that are remembered. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** As if nothing had ever been sent. */
  reset(): void {
    this.#clock.clear();
    this.#sent.clear();
    this.#byMetadata.clear();
    this.#conversations.clear();
    this.#refusals.clear();
    this.#isDown = false;
    this.#sends = 0;
    this.#forgotten = 0;
    this.#resets++;
  }

  /** `POST /{page}/messages` with this body, of a caller who may send over the page. */
  send(page: string, body: Readonly<Record<string, unknown>>): Reply {
    if (this.#isDown) return { kind: 'refused' };
    this.#sends++;
    const refusal = refusalOf(body);
    if (refusal !== undefined) return this.#refused(refusal);
    const recipient = Object.values(isFields(body.recipient) ? body.recipient : {})
      .map(textOf)
      .join();
    const behaviour = behaviourOf(recipient) ?? this.#mixed(page, recipient);
    if (behaviour.connection === 'refused') return { kind: 'refused' };
    if (this.#happens('throttled', this.#terms.throttledShare))
      return this.#refused({ code: 613, message: '(#613) Calls to this api have exceeded the rate limit.' });
    if (this.#isRefused(behaviour, page, recipient, body)) return this.#refused(behaviour.refusal);
    if (body.sender_action !== undefined) return this.#answer(200, { recipient_id: recipient });
    return this.#take(page, recipient, body, behaviour);
  }

  /** Makes a receipt of a message now: of one that was sent, by its metadata or mid; `false` when there is none. */
  receive(id: string, kind: 'delivered' | 'seen'): boolean {
    const message = this.#sent.get(id) ?? this.#byMetadata.get(id);
    if (message === undefined) return false;
    if (kind === 'delivered') this.#deliver(message);
    else this.#see(message);
    return true;
  }

  #isRefused(
    { refusal, name }: Behaviour,
    page: string,
    recipient: string,
    body: Readonly<Record<string, unknown>>,
  ): boolean {
    if (refusal === undefined) return false;
    if (refusal.times === undefined) return true;
    const metadata = isFields(body.message) ? textOf(body.message.metadata ?? '') : '';
    const key = keyOf(page, recipient, name, metadata);
    const times = (this.#refusals.get(key) ?? 0) + 1;
    if (times > refusal.times) {
      this.#refusals.delete(key);
      return false;
    }
    if (this.#refusals.size >= refusalsMax) this.#refusals.clear();
    this.#refusals.set(key, times);
    return true;
  }

  #take(page: string, psid: string, body: Readonly<Record<string, unknown>>, behaviour: Behaviour): Reply {
    const message = isFields(body.message) ? body.message : {};
    const { metadata } = message;
    const before = this.#conversations.get(conversationOf(page, psid))?.messages.at(-1);
    const sent: SentMessage = {
      mid: this.#newMid(),
      page,
      psid,
      ...(typeof metadata === 'string' && { metadata }),
      // No two of a conversation at one moment: its watermarks tell them apart.
      at: Math.max(this.#clock.now(), (before?.at ?? 0) + 1),
      message,
      behaviour: behaviour.name,
    };
    this.#remember(sent);
    const { echoMs, deliveredMs, seenMs, lostShare } = this.#terms;
    const times = this.#chance('times');
    if (behaviour.echo) this.#later(echoMs, times, () => this.#echo(sent));
    if (behaviour.delivered) this.#later(deliveredMs, times, () => this.#deliver(sent));
    if (behaviour.seen) this.#later(Math.max(seenMs, deliveredMs * 2), times, () => this.#see(sent));
    if (behaviour.connection === 'lost' || this.#happens('lost', lostShare)) return { kind: 'lost' };
    return this.#answer(200, { recipient_id: psid, message_id: sent.mid });
  }

  #remember(sent: SentMessage): void {
    this.#sent.set(sent.mid, sent);
    if (sent.metadata !== undefined) this.#byMetadata.set(sent.metadata, sent);
    const key = conversationOf(sent.page, sent.psid);
    const conversation = this.#conversations.get(key);
    if (conversation === undefined) this.#conversations.set(key, { messages: [sent], delivered: 0, seen: 0 });
    else conversation.messages.push(sent);
    if (this.#sent.size > this.#sentMax) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [oldest] = this.#sent.values();
    if (oldest === undefined) return;
    this.#forgotten++;
    this.#sent.delete(oldest.mid);
    if (oldest.metadata !== undefined && this.#byMetadata.get(oldest.metadata) === oldest)
      this.#byMetadata.delete(oldest.metadata);
    const key = conversationOf(oldest.page, oldest.psid);
    const conversation = this.#conversations.get(key);
    if (conversation?.messages.shift() !== oldest)
      throw new RangeError('a conversation does not begin with its oldest');
    conversation.delivered = Math.max(0, conversation.delivered - 1);
    conversation.seen = Math.max(0, conversation.seen - 1);
    if (conversation.messages.length === 0) this.#conversations.delete(key);
  }

  /** All messages of one conversation behave alike: what is read implies what was sent before it. */
  #mixed(page: string, recipient: string): Behaviour {
    const entries = Object.entries(this.#terms.mix);
    const [only] = entries;
    if (only !== undefined && entries.length === 1 && only[1] > 0) return behaviourNamed(only[0]);
    const total = entries.reduce((sum, [, weight]) => sum + weight, 0);
    let left = this.#randomOf('behaviour', page, recipient).between(0, total);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return behaviourNamed(name);
    }
    throw new RangeError('the mix of behaviours is empty');
  }

  /** Chances of one message each have a source of their own: what else happens meanwhile does not change them. */
  #randomOf(...parts: readonly string[]): SeededRandom {
    return new SeededRandom(seedOf(keyOf(String(this.#terms.seed), String(this.#resets), ...parts)));
  }

  #chance(kind: string): SeededRandom {
    return this.#randomOf(kind, String(this.#sends));
  }

  #happens(kind: string, share: number): boolean {
    return share > 0 && this.#chance(kind).happens(share);
  }

  /** Of a hundred thousand seeds of 32 bits two are likely to be the same, so its number is a part of each id. */
  #newMid(): string {
    return `m_${this.#run}${this.#chance('mid').text(48)}${this.#sends.toString(36).padStart(8, '0')}`;
  }

  #later(durationMs: number, random: SeededRandom, run: () => void): void {
    const spread = random.between(durationMs * 0.5, durationMs * 1.5);
    this.#clock.set(Math.round(this.#clock.now() + spread), run);
  }

  #echo(sent: SentMessage): void {
    const { page, psid, mid, at, message } = sent;
    this.#event(sent, {
      sender: { id: page },
      recipient: { id: psid },
      timestamp: at,
      message: { is_echo: true, app_id: appId, mid, ...echoOf(message) },
    });
  }

  #deliver(sent: SentMessage): void {
    const now = this.#clock.now();
    // All that was sent before the watermark is delivered with it.
    for (const one of this.#upTo(sent, 'delivered')) one.deliveredAt ??= now;
    const { page, psid, mid, at, deliveredAt } = sent;
    const delivery = { mids: [mid], watermark: at };
    // A later message may have told before that this one was delivered: then is when it was.
    this.#event(sent, { sender: { id: psid }, recipient: { id: page }, timestamp: deliveredAt, delivery });
  }

  #see(sent: SentMessage): void {
    const now = this.#clock.now();
    for (const one of this.#upTo(sent, 'seen')) {
      one.deliveredAt ??= now;
      one.seenAt ??= now;
    }
    const { page, psid, at } = sent;
    this.#event(sent, { sender: { id: psid }, recipient: { id: page }, timestamp: now, read: { watermark: at } });
  }

  /** What was sent up to this message, and did not come so far before. */
  *#upTo({ page, psid, at }: SentMessage, step: 'delivered' | 'seen'): Generator<SentMessage> {
    const conversation = this.#conversations.get(conversationOf(page, psid));
    if (conversation === undefined) return;
    const { messages } = conversation;
    for (
      let one = messages[conversation[step]];
      one !== undefined && one.at <= at;
      one = messages[conversation[step]]
    ) {
      conversation[step]++;
      yield one;
    }
  }

  #event({ page, mid }: SentMessage, event: Readonly<Record<string, unknown>>): void {
    const { duplicateShare, reorderShare, deliveredMs } = this.#terms;
    const tell = () => this.#tell({ page, event });
    if (duplicateShare === 0 && reorderShare === 0) return tell();
    const random = this.#randomOf('event', mid, Object.keys(event).join());
    if (random.happens(duplicateShare)) this.#later(deliveredMs, random, tell);
    if (random.happens(reorderShare)) this.#later(deliveredMs * 4, random, tell);
    else tell();
  }

  #refused({ code, subcode, message, httpStatus = 400 }: GraphError = { code: 1, message: 'An unknown error' }): Reply {
    const error = {
      message,
      type: 'OAuthException',
      code,
      ...(subcode !== undefined && { error_subcode: subcode }),
      fbtrace_id: this.#chance('trace').text(11),
    };
    return this.#answer(httpStatus, { error });
  }

  #answer(httpStatus: number, body: object): Reply {
    return { kind: 'answer', httpStatus, body, headers: {} };
  }
}

/** What was sent with one attachment is told with a list. */
function echoOf({ attachment, ...message }: Readonly<Record<string, unknown>>): object {
  if (!isFields(attachment)) return message;
  const { is_reusable: _, ...payload } = isFields(attachment.payload) ? attachment.payload : {};
  return { ...message, attachments: [{ ...attachment, payload }] };
}

/** As `keyOf`, which is asked for several times of each message. */
function conversationOf(page: string, psid: string): string {
  return `${page.length} ${page}${psid}`;
}

function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

import type { Random } from '../scripts/demo/random.ts';
import type { EpochMs } from '../src/domain/message.ts';
import type { SimulatedMessage } from './messages.ts';
import type { TellableEvent } from './subscriptions.ts';
import { deliveryJson, seenJson, simulatedReport } from './webhooks.ts';

export type WebhookTrafficOptions = {
  readonly random: Random;
  /** Posts a body, and gives the status of the answer. */
  readonly post: (body: string, event: TellableEvent) => Promise<number>;
  /** The share of reports that are sent once more, though they were taken. */
  readonly repeats?: number;
  /** Each report is on its way for up to so long: later ones overtake it. */
  readonly delayMsMax?: number;
};

type Due = { readonly at: EpochMs; readonly tries: number; readonly body: string; readonly event: TellableEvent };

/** The vendor's: a minute and the square of the retry's number in minutes, twenty times. */
const retriesMax = 20;
const retryMs = (tries: number) => 60_000 * (1 + tries ** 2);

/** What the simulated Infobip tells of its messages by itself: every state, repeated, in disorder, again when refused. */
export class WebhookTraffic {
  readonly #options: Required<WebhookTrafficOptions>;
  #due: Due[] = [];
  sent = 0;

  constructor(options: WebhookTrafficOptions) {
    this.#options = { repeats: 0.1, delayMsMax: 2000, ...options };
  }

  /** Will tell of the message, whatever becomes of it since a moment. */
  add(message: SimulatedMessage, since: EpochMs = message.sentAt): void {
    for (const { from } of message.states.slice(1))
      if (from >= since) this.#plan(from, 'DELIVERY', deliveryJson([simulatedReport(message, from)]));
    const { seenAt, messageId, sentAt, fields } = message;
    if (seenAt === undefined || seenAt < since) return;
    const seen = { messageId, from: fields.destination, to: fields.sender, sentAt, seenAt };
    this.#plan(seenAt, 'SEEN', seenJson([seen]));
  }

  /** Sends what is due by now. */
  async until(now: EpochMs): Promise<void> {
    const ready = this.#due.filter(one => one.at <= now).sort((a, b) => a.at - b.at);
    this.#due = this.#due.filter(one => one.at > now);
    for (const { tries, body, event } of ready) {
      this.sent++;
      const isTaken = (await this.#options.post(body, event)) === 200;
      if (!isTaken && tries < retriesMax) this.#due.push({ at: now + retryMs(tries), tries: tries + 1, body, event });
    }
  }

  #plan(at: EpochMs, event: TellableEvent, body: string): void {
    const { random, repeats, delayMsMax } = this.#options;
    do this.#due.push({ at: at + random.between(0, delayMsMax), tries: 0, body, event });
    while (random.chance(repeats));
  }
}

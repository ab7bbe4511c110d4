import { createHmac } from 'node:crypto';
import type { DrivenClock } from './driven-clock.ts';
import type { PageEvent } from './meta.ts';

export type WebhookTarget = { readonly url: string; readonly appSecret: string };

/** Events of one call; Meta's own bound. */
const callEventsMax = 1000;
/** Calls at the same time; while one is under way, others are made for so many events. */
const callsMax = 8;
const furtherCallEvents = 100;
const answerMsMax = 5000;
/** Meta calls again at once a few times, then ever less often, and gives up after an hour. */
const pausesMs = [0, 0, 1000, 5000, 15_000, 60_000, 300_000, 600_000, 900_000, 900_000, 900_000];
export const longestPauseMs = Math.max(...pausesMs);

/** Calls a webhook as Meta does: signed, in batches, again when it is not answered with 200. */
export class WebhookCaller {
  readonly #clock: DrivenClock;
  readonly #target: WebhookTarget;
  readonly #note: (reason: string) => void;
  #waiting: PageEvent[] = [];
  #calls = 0;
  #isAsked = false;
  #isClosed = false;

  constructor(clock: DrivenClock, target: WebhookTarget, note: (reason: string) => void) {
    this.#clock = clock;
    this.#target = target;
    this.#note = note;
  }

  get waiting(): number {
    return this.#waiting.length + this.#calls;
  }

  take(event: PageEvent): void {
    this.#waiting.push(event);
    if (this.#isAsked) return;
    this.#isAsked = true;
    setImmediate(() => {
      this.#isAsked = false;
      this.#callAll();
    });
  }

  reset(): void {
    this.#waiting = [];
  }

  close(): void {
    this.#isClosed = true;
    this.reset();
  }

  #callAll(): void {
    while (
      this.#calls < callsMax &&
      this.#waiting.length > (this.#calls > 0 ? furtherCallEvents : 0) &&
      !this.#isClosed
    )
      void this.#call(envelope(this.#waiting.splice(0, callEventsMax), this.#clock.now()), 0);
  }

  async #call(body: string, tries: number): Promise<void> {
    this.#calls++;
    const failure = await this.#post(body);
    this.#calls--;
    if (failure !== undefined && !this.#isClosed) {
      const pauseMs = pausesMs[tries];
      if (pauseMs === undefined) this.#note(`a webhook was given up: ${failure}`);
      else this.#clock.set(this.#clock.now() + pauseMs, () => void this.#call(body, tries + 1));
    }
    this.#callAll();
  }

  /** Why the call failed; `undefined` when it did not. */
  async #post(body: string): Promise<string | undefined> {
    const sign = (algorithm: string) => createHmac(algorithm, this.#target.appSecret).update(body).digest('hex');
    try {
      const answer = await fetch(this.#target.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-hub-signature': `sha1=${sign('sha1')}`,
          'x-hub-signature-256': `sha256=${sign('sha256')}`,
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(answerMsMax),
      });
      await answer.arrayBuffer();
      return answer.status === 200 ? undefined : `HTTP ${answer.status}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** As Meta writes it: an entry for each page, and everything beyond ASCII escaped. */
export function envelope(events: readonly PageEvent[], time: number): string {
  const entry = [...Map.groupBy(events, one => one.page)].map(([id, own]) => ({
    id,
    time,
    messaging: own.map(one => one.event),
  }));
  return JSON.stringify({ object: 'page', entry })
    .replaceAll('/', '\\/')
    .replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

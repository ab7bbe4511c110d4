import type { AccountId } from '../domain/message.ts';
import { ControlDesk, type DeskAnswer } from '../simulator/desk.ts';
import { DrivenClock } from '../simulator/driven-clock.ts';
import { type PageEvent, SimulatedMeta } from '../simulator/meta.ts';
import type { SimulatorTerms } from '../simulator/terms.ts';
import type { Sender } from './sender.ts';
import { SimulatedCarrier } from './simulated-carrier.ts';

/** So many messages are remembered, a megabyte for each 1,400: it stands beside a program under test. */
const sentMax = 5_000;

/** How long a call that moves the clock waits for what comes of it. */
const effectMsMax = 5000;

/**
 * A simulated Meta inside the server: what happens there is received as if its webhook had called, and tests steer it
 * over HTTP.
 */
export class Emulator {
  readonly clock: DrivenClock;
  readonly meta: SimulatedMeta;
  readonly carrier: SimulatedCarrier;
  readonly #desk: ControlDesk;
  readonly #note: (message: string, detail: object) => void;
  #sender: Sender | undefined;
  #renew: ((account: AccountId) => Promise<void>) | undefined;
  #events: PageEvent[] = [];
  #receiving: Promise<void> | undefined;

  constructor(terms: SimulatorTerms, note: (message: string, detail: object) => void) {
    this.clock = new DrivenClock();
    this.meta = new SimulatedMeta(this.clock, terms, event => this.#take(event), sentMax);
    this.carrier = new SimulatedCarrier(this.meta);
    this.#desk = new ControlDesk(this.meta, () => {});
    this.#note = note;
  }

  /** Joined to the sender whose messages it carries; `renew` empties the log of an account, where that can be done. */
  join(sender: Sender, renew?: (account: AccountId) => Promise<void>): void {
    this.#sender = sender;
    this.#renew = renew;
  }

  /** `undefined` for a call that is not known. */
  async handle(method: string, action: string, body: unknown, account: AccountId): Promise<DeskAnswer | undefined> {
    if (method === 'POST' && action === 'reset') return this.#reset(account);
    // What is due by now happens now, and not at the time that the clock is put to.
    if (method === 'POST' && action === 'clock') await this.#effects();
    const answer = this.#desk.handle(method, action, body);
    if (method === 'POST' && answer?.status === 200) await this.#effects();
    return answer;
  }

  close(): void {
    this.clock.clear();
    this.#events = [];
  }

  async #reset(account: AccountId): Promise<DeskAnswer> {
    this.meta.reset();
    this.carrier.reset();
    this.#events = [];
    await this.#receiving;
    await this.#sender?.reset(account);
    await this.#renew?.(account);
    return { status: 200, body: { status: 'reset', isLogEmptied: this.#renew !== undefined } };
  }

  /** What was due by the new time, or was heard, is in the log when it resolves. */
  async #effects(): Promise<void> {
    await this.#receiving;
    await this.#sender?.idle(effectMsMax);
    await this.#receiving;
  }

  #take(event: PageEvent): void {
    this.#events.push(event);
    this.#receiving ??= this.#receive().finally(() => {
      this.#receiving = undefined;
    });
  }

  async #receive(): Promise<void> {
    // All that happens at one moment is one call.
    await new Promise(setImmediate);
    while (this.#events.length > 0) {
      const events = this.#events;
      this.#events = [];
      const time = this.clock.now();
      const entry = events.map(({ page, event }) => ({ id: page, time, messaging: [event] }));
      for (let pauseMs = 50; ; pauseMs = Math.min(5000, 2 * pauseMs)) {
        try {
          await this.#sender?.receive({ object: 'page', entry }, this.carrier.accounts);
          break;
        } catch (error) {
          this.#note('receipts of the simulated Meta cannot be kept now', { err: error });
          await new Promise(resolve => setTimeout(resolve, pauseMs).unref());
        }
      }
    }
  }
}

import type { AccountId, EpochMs } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import { Unavailable } from '../failures.ts';
import { receiptsIn } from '../graph/webhook-events.ts';
import { limits } from '../limits.ts';
import type { Outbox, OutboxStats } from '../outbox/outbox.ts';
import type { Store } from '../store/store.ts';
import type { Accepted } from '../wire/send/send-answer.ts';
import { Acceptance } from './acceptance.ts';
import { apart } from './apart.ts';
import type { Carrier, Pages } from './carrier.ts';
import { Dispatcher } from './dispatcher.ts';
import type { ExpiryClock } from './expiry-clock.ts';
import { type AccountPlaces, Pusher } from './pusher.ts';
import type { CallReports } from './report-caller.ts';
import { ReportDesk } from './report-desk.ts';
import { Teller } from './teller.ts';
import { type PageAccounts, receiptsOf } from './watching.ts';

export type SenderDeps = {
  readonly outbox: Outbox;
  readonly store: Store;
  readonly carrier: Carrier;
  readonly pages: Pages;
  readonly clock: () => EpochMs;
  /** As in `DispatcherDeps`. */
  readonly expiry?: Pick<ExpiryClock, 'isBelieved'>;
  /** Of accounts without a time of their own, and of each. */
  readonly retentionMs: number;
  readonly retentionOf: (account: AccountId) => number;
  /** Where accounts want their reports, and how they are called. */
  readonly places: AccountPlaces;
  readonly call: CallReports;
  readonly note: (level: 'info' | 'warn' | 'error', message: string, detail: object) => void;
};

export type SenderFigures = {
  readonly paused: ReturnType<Dispatcher['paused']>;
  readonly outbox?: OutboxStats;
  readonly sends: Dispatcher['counts'];
  readonly pushes: Pusher['counts'];
  readonly lostEvents: Sender['lostEvents'];
};

const statsAgeMsMax = 1000;

/** How long an answer waits for the log to show what was accepted: it is durable before. */
const showMsMax = 2000;

/**
 * Messages out and receipts in: takes messages into the outbox, sends them by a carrier, takes what is heard of them, and
 * tells the log. Closing it leaves the outbox open: it is the caller's.
 */
export class Sender {
  readonly #deps: SenderDeps;
  readonly #acceptance: Acceptance;
  readonly #dispatcher: Dispatcher;
  readonly #teller: Teller;
  readonly #pusher: Pusher;
  readonly reports: ReportDesk;
  /** Events of webhooks since the start that were proven, and that nobody brings again. */
  readonly lostEvents = { 'too large': 0, 'not kept': 0 };
  #counted: Promise<OutboxStats | undefined> | undefined;
  #countedMs = 0;

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#acceptance = new Acceptance(deps);
    this.reports = new ReportDesk(deps);
    this.#pusher = new Pusher(deps);
    this.#teller = new Teller({ ...deps, told: () => this.#pusher.wake() });
    this.#dispatcher = new Dispatcher({ ...deps, settled: () => this.#teller.wake() });
  }

  async start(): Promise<void> {
    this.#teller.wake();
    this.#pusher.start();
    await this.#dispatcher.start();
  }

  /** Durable when it resolves; the log shows the messages by then, unless it is behind or cannot take anything now. */
  async accept(account: AccountId, messages: readonly Outgoing[]): Promise<readonly Accepted[]> {
    this.#deps.carrier.asked?.(account, messages);
    const accepted = await this.#acceptance.accept(account, messages);
    this.#dispatcher.wake();
    await this.#teller.shown(showMsMax);
    return accepted;
  }

  /**
   * Takes the body of a webhook: durable when it resolves. Its events count for the accounts that it was proven for, page
   * by page. `false` when it is not of a page. So many of its events were left out.
   */
  async receive(body: unknown, proven: PageAccounts, leftOut = 0): Promise<boolean> {
    const { outbox, pages, clock, note } = this.#deps;
    const now = clock();
    const events = receiptsIn(body, now);
    if (events === undefined) return false;
    const receipts = receiptsOf(events, proven, await pages.watchers());
    const cut = await apart(
      receipts,
      those => outbox.receive(those, now),
      // Meta would send the whole body again and again for it.
      ({ page, kind }, error) => {
        this.lostEvents['not kept']++;
        note('error', 'an event of a page cannot be kept', { err: error, page, kind });
      },
    );
    // Meta sends all of it again; what was kept of it comes to the same twice.
    if (cut !== undefined) throw cut.error;
    if (leftOut > 0) {
      this.lostEvents['too large'] += leftOut;
      note('warn', 'events of pages were left out: each is longer or has more values than any of Meta', {
        pages: [...proven.keys()],
        leftOut,
      });
    }
    this.#teller.wake();
    this.#dispatcher.wake();
    return true;
  }

  /** It is another time than it was. */
  wake(): void {
    this.#dispatcher.wake();
    this.#pusher.wake();
  }

  /** Resolves when nothing that is due is left to be done, the log has heard of all and reports were pushed, or after `durationMs`. */
  async idle(durationMs: number): Promise<void> {
    await this.#dispatcher.idle(durationMs);
    await this.#teller.caughtUp(durationMs);
    await this.#pusher.idle(durationMs);
  }

  /** Forgets an account, and that any page was refused. */
  async reset(account: AccountId): Promise<void> {
    await this.#dispatcher.reset(async () => {
      while (await this.#deps.outbox.dropAccount(account));
    });
  }

  /** Forgets what ended and is past retention. */
  async dropPast(): Promise<void> {
    const { outbox, clock, retentionMs } = this.#deps;
    const keptMs = Math.max(retentionMs, limits.sendValidityMs) + limits.parkedMs;
    while (await outbox.dropBefore(clock() - keptMs));
  }

  paused(): readonly { readonly account: AccountId; readonly sender: string; readonly reason: string }[] {
    return this.#dispatcher.paused();
  }

  /** Why the outbox could not be used when it was last looked at; `undefined` when it could. */
  outage(): Unavailable | undefined {
    return this.#dispatcher.outage;
  }

  async figures(): Promise<SenderFigures> {
    const outbox = await this.#stats();
    const { counts: sends } = this.#dispatcher;
    const { lostEvents } = this;
    const counts = { sends, pushes: this.#pusher.counts, lostEvents };
    return { paused: this.paused(), ...counts, ...(outbox !== undefined && { outbox }) };
  }

  /** Counting is work: whoever asks often is told what it was a moment ago. `undefined` when it cannot be told now. */
  #stats(): Promise<OutboxStats | undefined> {
    const now = performance.now();
    if (this.#counted === undefined || now - this.#countedMs > statsAgeMsMax) {
      this.#countedMs = now;
      this.#counted = this.#deps.outbox.stats().catch(error => {
        if (error instanceof Unavailable) return undefined;
        throw error;
      });
    }
    return this.#counted;
  }

  async close(): Promise<void> {
    await this.#dispatcher.close();
    await this.#teller.caughtUp(showMsMax);
    await this.#teller.close();
    await this.#pusher.close();
    await this.reports.close();
  }
}

import { createHmac } from 'node:crypto';
import type { AccountId, EpochMs } from '../domain/message.ts';
import { Unavailable } from '../failures.ts';
import { limits } from '../limits.ts';
import {
  type DuePush,
  type PushOutcome,
  type PushPlace,
  pushAgainMs,
  type Report,
  type Reports,
  type Subscribed,
} from '../outbox/reporting.ts';
import { deliveryReportsJson, deliveryReportsXml, seenReportsJson } from '../wire/text/report-text.ts';
import { Looks } from './looks.ts';
import type { CallReports } from './report-caller.ts';

/** What an account has set for its reports. */
export type AccountPlace = {
  readonly deliveryUrl?: string;
  readonly seenUrl?: string;
  readonly contentType: 'application/json' | 'application/xml';
  readonly secret?: string;
};

export interface AccountPlaces {
  subscribed(): Promise<readonly Subscribed[]>;
  place(account: AccountId): Promise<AccountPlace | undefined>;
}

export type PusherDeps = {
  readonly outbox: Pick<Reports, 'duePushes' | 'pushed'>;
  readonly places: AccountPlaces;
  readonly call: CallReports;
  readonly clock: () => EpochMs;
  readonly note: (level: 'warn' | 'error', message: string, detail: object) => void;
};

/** Another process may have made reports, or the clock was put forward. */
const lookMs = 1000;
/** A call ends by itself before this. */
const closeMsMax = limits.pushMsMax + 2000;
const keepPauseMs = { first: 50, max: 5000 };

/**
 * Pushes reports to where they are wanted, in the vendor's cycle of retries. Each place is called once at a time, so one
 * that does not answer holds up nothing but its own.
 */
export class Pusher {
  readonly #deps: PusherDeps;
  readonly #busy = new Map<string, PushPlace>();
  /** Reports since the start, by what came of pushing them. */
  readonly counts = { pushed: 0, failed: 0, dropped: 0 };
  readonly #looks = new Looks(() => this.#look());

  constructor(deps: PusherDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#looks.start();
  }

  /** There may be something to push, or it is another time. */
  wake(): void {
    this.#looks.wake();
  }

  /** Resolves when nothing is due and nothing under way, or after `durationMs`. */
  async idle(durationMs: number): Promise<void> {
    const end = performance.now() + durationMs;
    const isLooking = () => this.#looks.isStarted && !this.#looks.isClosed;
    for (let quiet = 0; quiet < 2 && performance.now() < end && isLooking(); ) {
      await this.#looks.next();
      quiet = this.#busy.size === 0 ? quiet + 1 : 0;
      if (quiet === 0) await new Promise(resolve => setTimeout(resolve, 2));
    }
  }

  /** Calls nobody any more, and waits for the calls under way, for as long as a call may take. */
  async close(): Promise<void> {
    await this.#looks.close();
    const end = performance.now() + closeMsMax;
    while (this.#busy.size > 0 && performance.now() < end) await new Promise(resolve => setTimeout(resolve, 5));
    if (this.#busy.size > 0)
      this.#deps.note('error', 'calls with reports did not end: they may be pushed again', { calls: this.#busy.size });
  }

  async #look(): Promise<number> {
    try {
      await this.#begin();
    } catch (error) {
      const isOutage = error instanceof Unavailable;
      this.#deps.note(isOutage ? 'warn' : 'error', 'pushing reports waits: they cannot be read now', { err: error });
    }
    return lookMs;
  }

  async #begin(): Promise<void> {
    const room = limits.pushesMax - this.#busy.size;
    if (room < 1) return;
    const due = await this.#deps.outbox.duePushes([...this.#busy.values()], room, this.#deps.clock());
    // What an account has due is looked at in parts: there may be more of it.
    if (due.length > 0) this.#looks.wake();
    for (const [key, own] of Map.groupBy(due, one => JSON.stringify([one.place.account, one.place.url]))) {
      const [first] = own;
      if (first === undefined) continue;
      this.#busy.set(key, first.place);
      void this.#pushAll(first.place, own).finally(() => {
        this.#busy.delete(key);
        this.wake();
      });
    }
  }

  async #pushAll(place: PushPlace, due: readonly DuePush[]): Promise<void> {
    const left = new Set(due);
    try {
      const settings = await this.#deps.places.place(place.account);
      for (const [, own] of Map.groupBy(due, one => kindOf(one.report, settings))) {
        await this.#keep(await this.#push(place, own, settings));
        for (const one of own) left.delete(one);
      }
    } catch (error) {
      // A secret that cannot be opened, say: what was not said to be pushed is due again.
      const { account, url } = place;
      // What follows the origin is a secret of the receiver's, often enough.
      this.#deps.note('error', 'reports could not be pushed', { account, origin: originOf(url), err: error });
      await this.#keep([...left].map(one => this.#failed(one)));
    }
  }

  /** Reports of one kind by one call. */
  async #push(place: PushPlace, due: readonly DuePush[], settings: AccountPlace | undefined): Promise<PushOutcome[]> {
    const reports = due.map(one => one.report);
    const [first] = reports;
    if (first === undefined) return [];
    const subscribed = first.kind === 'seen' ? settings?.seenUrl : settings?.deliveryUrl;
    const url = place.url === '' ? subscribed : place.url;
    // Nobody wants them any more.
    if (url === undefined) return due.map(({ report }) => ({ id: report.id }));
    const { type, body } = bodyOf(reports, settings);
    const secret = settings?.secret;
    const signature = secret && `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const headers = { 'content-type': type, ...(signature && { 'x-sentlog-signature': signature }) };
    const failure = await this.#deps.call({ url, body, headers });
    if (failure === undefined) {
      this.counts.pushed += due.length;
      return due.map(({ report }) => ({ id: report.id }));
    }
    this.counts.failed += due.length;
    const outcomes = due.map(one => this.#failed(one));
    const dropped = outcomes.filter(one => one.againAt === undefined).length;
    this.counts.dropped += dropped;
    const origin = originOf(url);
    this.#deps.note('warn', 'reports could not be pushed', { origin, reason: failure, reports: due.length, dropped });
    return outcomes;
  }

  #failed({ report, tries }: DuePush): PushOutcome {
    if (tries >= limits.pushRetriesMax) return { id: report.id };
    return { id: report.id, againAt: this.#deps.clock() + pushAgainMs(tries) };
  }

  /** Forgotten, it would be pushed twice. */
  async #keep(outcomes: readonly PushOutcome[]): Promise<void> {
    for (let pauseMs = keepPauseMs.first; ; pauseMs = Math.min(keepPauseMs.max, 2 * pauseMs)) {
      try {
        return await this.#deps.outbox.pushed(outcomes);
      } catch (error) {
        const isOutage = error instanceof Unavailable;
        this.#deps.note(isOutage ? 'warn' : 'error', 'what was pushed cannot be kept now', { err: error });
        if (this.#looks.isClosed || !isOutage) return;
        await new Promise(resolve => setTimeout(resolve, pauseMs));
      }
    }
  }
}

function originOf(url: string): string | undefined {
  return URL.parse(url)?.origin;
}

const json = 'application/json';
type Delivery = Extract<Report, { readonly kind: 'delivery' }>;
type Seen = Extract<Report, { readonly kind: 'seen' }>;

/** What goes into one body. */
function kindOf(report: Report, settings: AccountPlace | undefined): string {
  return report.kind === 'seen' ? 'seen' : (report.message.reports?.contentType ?? settings?.contentType ?? json);
}

function bodyOf(reports: readonly Report[], settings: AccountPlace | undefined): { type: string; body: string } {
  const [first] = reports;
  const seen = reports.filter((one): one is Seen => one.kind === 'seen');
  if (seen.length > 0) return { type: json, body: seenReportsJson(seen) };
  const deliveries = reports.filter((one): one is Delivery => one.kind === 'delivery');
  const isXml = first !== undefined && kindOf(first, settings) === 'application/xml';
  return isXml
    ? { type: 'application/xml', body: deliveryReportsXml(deliveries) }
    : { type: json, body: deliveryReportsJson(deliveries) };
}

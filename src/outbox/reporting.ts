import type { AccountId, EpochMs, Price } from '../domain/message.ts';
import type { Outgoing, ReportsQuery } from '../domain/outgoing.ts';
import { statusByKey } from '../domain/registry.ts';

/**
 * Reports on messages, for whoever sent them: a final one for each message, which one caller is given, and which is pushed
 * where it was asked for; and, only pushed, intermediate ones and that a message was seen. They are made when the log has
 * been told, by the same transaction, and kept for `limits.reportsMs`.
 *
 * A report that is taken is nobody else's until it was said to be given, or is given back; the process that took it dying
 * gives it back too. So a caller whose answer was cut off by that may be given it again, and none is lost.
 */
export interface Reports {
  /** The oldest that match and nobody was given. */
  takeReports(query: ReportQuery): Promise<readonly Report[]>;
  reportsGiven(ids: readonly number[]): Promise<void>;
  reportsGivenBack(ids: readonly number[]): Promise<void>;
  /**
   * What is to be pushed now to so many places that are not busy: to each at most `limits.pushReportsMax`. Accounts take
   * turns, and none has more places than `limits.pushesOfAccountMax`, nor `limits.pushesOfOriginMax` of one origin, busy
   * ones counted.
   */
  duePushes(busy: readonly PushPlace[], places: number, now: EpochMs): Promise<readonly DuePush[]>;
  pushed(outcomes: readonly PushOutcome[]): Promise<void>;
}

export type ReportQuery = ReportsQuery & { readonly account: AccountId };

export type Report = {
  readonly id: number;
  readonly account: AccountId;
  readonly message: Outgoing;
  readonly sentAt: EpochMs;
  /** Meta's id of the person, where it is known. */
  readonly psid?: string;
  readonly price?: Price;
} & (
  | { readonly kind: 'delivery'; readonly statusKey: number; readonly errorKey: number; readonly doneAt?: EpochMs }
  | { readonly kind: 'seen'; readonly seenAt: EpochMs }
);

/** Where reports of an account go; an empty `url` is what the account has set. */
export type PushPlace = { readonly account: AccountId; readonly url: string };
/** `tries`: how often it was tried before. */
export type DuePush = { readonly place: PushPlace; readonly report: Report; readonly tries: number };
/** Without `againAt` it is never pushed again. */
export type PushOutcome = { readonly id: number; readonly againAt?: EpochMs };

const minuteMs = 60_000;
/** The vendor's cycle: after a failure 1 minute, and 1 more times the square of the retries before it. */
export const pushAgainMs = (tries: number): number => minuteMs * (1 + tries ** 2);
/** At least that, in SQL, where `tries` names a column with all tries. */
export const pushAgainMostMs = (tries: string): string => `${minuteMs} * (1 + ${tries} * ${tries})`;

/** What accounts have set for messages that name no address of their own. */
export type Subscribed = {
  readonly account: AccountId;
  readonly delivery: boolean;
  readonly seen: boolean;
};

/** A step that the log was told of, and whether a final report was made before. */
export type ToldStep = {
  readonly message: Pick<Outgoing, 'reports' | 'isForeign'>;
  readonly isFirst: boolean;
  readonly isReported: boolean;
  readonly statusKey?: number;
  readonly seenAt?: EpochMs;
};

export type NewReport = {
  readonly kind: Report['kind'];
  /** Waits for a caller. */
  readonly isOpen: boolean;
  /** Where it is pushed; nowhere when absent. */
  readonly url?: string;
};

/** The report that a step makes; `undefined` when nobody is to hear of it. */
export function reportOn(step: ToldStep, subscribed: Subscribed | undefined): NewReport | undefined {
  const { message, isFirst, isReported, statusKey, seenAt } = step;
  // Whoever sent it did not ask for reports here.
  if (message.isForeign) return undefined;
  const { notify, deliveryUrl, seenUrl, intermediate } = message.reports ?? {};
  if (seenAt !== undefined) {
    const url = placeOf(seenUrl, subscribed?.seen);
    return url === undefined ? undefined : { kind: 'seen', isOpen: false, url };
  }
  if (statusKey === undefined || isReported) return undefined;
  const url = notify === false ? undefined : placeOf(deliveryUrl, subscribed?.delivery);
  const pushed = url === undefined ? {} : { url };
  if (statusByKey(statusKey).final) return { kind: 'delivery', isOpen: true, ...pushed };
  // That it was accepted was the answer to its request.
  return intermediate === true && !isFirst && url !== undefined
    ? { kind: 'delivery', isOpen: false, ...pushed }
    : undefined;
}

/** In the form in which it is called; an address that cannot be is none. */
function placeOf(url: string | undefined, isSubscribed: boolean | undefined): string | undefined {
  if (url !== undefined) return URL.parse(url)?.href;
  return isSubscribed ? '' : undefined;
}

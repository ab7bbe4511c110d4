import type { EpochMs, MessageState, Price } from './message.ts';
import { codeText, type DeliveryError, noError, type Status } from './registry.ts';
import type { DatedReport } from './report.ts';

/**
 * What all that was said of a message comes to: as much as decides its state, whatever is said next. Its size does not
 * grow with the number of reports, and the order they came in leaves no trace.
 *
 * The rules: pending → `DELIVERED_TO_OPERATOR` → a final status; of two different finals the later `at` wins, but a
 * delivery always beats an expiry, which is only a guess after silence. The rest follows the winning status: its error,
 * the latest `doneAt` that came with its group, the latest price and further fields, the first `seenAt`. An error or `doneAt` without a
 * status counts for whichever status wins.
 */
export type Evidence = {
  /** The best report of each status group that may still win: all of one stage, so a handful at most. */
  readonly verdicts: readonly Verdict[];
  readonly error: Latest<DeliveryError> | undefined;
  readonly doneAt: Latest<EpochMs> | undefined;
  readonly price: Latest<Price> | undefined;
  readonly seenAt: EpochMs | undefined;
  readonly extraJson: Latest<string> | undefined;
};

type Latest<T> = { readonly at: EpochMs; readonly value: T };

type Verdict = {
  readonly status: Status;
  readonly error: DeliveryError;
  readonly at: EpochMs;
  readonly doneAt: Latest<EpochMs> | undefined;
};

const nothing: Evidence = {
  verdicts: [],
  error: undefined,
  doneAt: undefined,
  price: undefined,
  seenAt: undefined,
  extraJson: undefined,
};

/** What a message was recorded with counts as the first that was said of it. */
export function evidenceOf(initial: MessageState, reports: readonly DatedReport[] = []): Evidence {
  return reports.reduce(withReport, withReport(nothing, initial));
}

/** Of reports that `reportsFor` gave. */
export function evidenceFrom(reports: readonly DatedReport[]): Evidence {
  return reports.reduce(withReport, nothing);
}

export function withReport(evidence: Evidence, report: DatedReport): Evidence {
  const { status, error, doneAt, price, seenAt, at, extraJson } = report;
  const done = doneAt === undefined ? undefined : { at, value: doneAt };
  const unqualified = status === undefined;
  return {
    verdicts: unqualified
      ? evidence.verdicts
      : withVerdict(evidence.verdicts, { status, error: error ?? noError, at, doneAt: done }),
    error:
      unqualified && error !== undefined ? later(evidence.error, { at, value: error }, compareCodes) : evidence.error,
    doneAt: unqualified ? later(evidence.doneAt, done, compareNumbers) : evidence.doneAt,
    price: later(evidence.price, price && { at, value: price }, comparePrices),
    seenAt: evidence.seenAt === undefined ? seenAt : Math.min(evidence.seenAt, seenAt ?? evidence.seenAt),
    extraJson: later(evidence.extraJson, extraJson === undefined ? undefined : { at, value: extraJson }, compareText),
  };
}

/** The state of a message after all that was said of it. */
export function settled({ verdicts, error, doneAt, price, seenAt, extraJson }: Evidence): MessageState {
  const winner = verdicts.reduce((best, one) => (precedence(one, best) > 0 ? one : best));
  const done = later(winner.doneAt, doneAt, compareNumbers)?.value;
  const own = { at: winner.at, value: winner.error };
  return {
    status: winner.status,
    error: (later(own, error, compareCodes) ?? own).value,
    at: winner.at,
    ...(done !== undefined && { doneAt: done }),
    ...(price !== undefined && { price: price.value }),
    ...(seenAt !== undefined && { seenAt }),
    ...(extraJson !== undefined && { extraJson: extraJson.value }),
  };
}

/** A few reports that come to the same evidence: how it is kept where reports are. */
export function reportsFor({ verdicts, error, doneAt, price, seenAt, extraJson }: Evidence): readonly DatedReport[] {
  const reports: DatedReport[] = [];
  for (const { doneAt: done, ...verdict } of verdicts) {
    if (done === undefined) reports.push(verdict);
    else if (done.at === verdict.at) reports.push({ ...verdict, doneAt: done.value });
    else reports.push(verdict, { status: verdict.status, at: done.at, doneAt: done.value });
  }
  if (error !== undefined) reports.push({ error: error.value, at: error.at });
  if (doneAt !== undefined) reports.push({ doneAt: doneAt.value, at: doneAt.at });
  if (price !== undefined) reports.push({ price: price.value, at: price.at });
  if (seenAt !== undefined) reports.push({ seenAt, at: seenAt });
  if (extraJson !== undefined) reports.push({ extraJson: extraJson.value, at: extraJson.at });
  return reports;
}

function withVerdict(verdicts: readonly Verdict[], verdict: Verdict): readonly Verdict[] {
  const reached = stage(verdict.status) - stage(verdicts[0]?.status ?? verdict.status);
  if (reached < 0) return verdicts;
  const { groupId } = verdict.status;
  const beside = reached > 0 ? [] : verdicts;
  const same = beside.find(one => one.status.groupId === groupId);
  const all = [...beside.filter(one => one !== same), same === undefined ? verdict : better(same, verdict)];
  const delivered = all.some(isDelivery);
  // In the order of the groups, so that equal evidence is equal in every detail.
  return all
    .filter(one => !delivered || one.status.groupName !== 'EXPIRED')
    .sort((a, b) => a.status.groupId - b.status.groupId);
}

function isDelivery({ status }: Verdict): boolean {
  return status.final && status.groupName === 'DELIVERED';
}

/** Of two reports of one group and stage the one whose status and error count, with the latest `doneAt` of both. */
function better(a: Verdict, b: Verdict): Verdict {
  const best = (precedence(a, b) || compareCodes(a.error, b.error)) >= 0 ? a : b;
  return { ...best, doneAt: later(a.doneAt, b.doneAt, compareNumbers) };
}

/** Positive when `a` goes before `b`. Total, so that reports of one moment settle alike in every order of arrival. */
function precedence(a: Verdict, b: Verdict): number {
  return (
    stage(a.status) - stage(b.status) ||
    a.at - b.at ||
    Number(a.status.groupName === 'DELIVERED') - Number(b.status.groupName === 'DELIVERED') ||
    compareCodes(a.status, b.status)
  );
}

function stage(status: Status): 0 | 1 | 2 {
  if (status.final) return 2;
  return status.groupName === 'DELIVERED' ? 1 : 0;
}

/** The later of two; of equal moments the greater value, whichever came first. */
function later<T>(
  a: Latest<T> | undefined,
  b: Latest<T> | undefined,
  compare: (a: T, b: T) => number,
): Latest<T> | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (a.at - b.at || compare(a.value, b.value)) >= 0 ? a : b;
}

function compareCodes(a: Status | DeliveryError, b: Status | DeliveryError): number {
  if (a === b) return 0;
  return a.key - b.key || compareText(codeText(a), codeText(b));
}

function comparePrices(a: Price, b: Price): number {
  return a.pricePerMessage - b.pricePerMessage || compareText(a.currency, b.currency);
}

function compareNumbers(a: number, b: number): number {
  return a - b;
}

function compareText(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}

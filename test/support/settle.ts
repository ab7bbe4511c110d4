import type { EpochMs, MessageState, Price } from '../../src/domain/message.ts';
import { codeText, type DeliveryError, noError, type Status } from '../../src/domain/registry.ts';
import type { DatedReport } from '../../src/domain/report.ts';

/**
 * The state of a message by its definition, over everything that was said of it at once: what the domain must come to
 * report by report.
 */
export function settle(initial: MessageState, reports: readonly DatedReport[]): MessageState {
  const said: readonly DatedReport[] = [initial, ...reports];
  const verdicts = said.flatMap(one => (one.status === undefined ? [] : [{ ...one, status: one.status }]));
  const delivered = verdicts.some(({ status }) => status.final && status.groupName === 'DELIVERED');
  const [winner = initial] = verdicts
    .filter(({ status }) => !delivered || status.groupName !== 'EXPIRED')
    .sort((a, b) => stage(b.status) - stage(a.status) || b.at - a.at || compareVerdicts(b, a));
  const doneAt = latest(
    said.filter(one => one.status === undefined || isAlike(one.status, winner.status)),
    one => one.doneAt,
    (a, b) => a - b,
  );
  const own: DatedReport = { at: winner.at, error: winner.error ?? noError };
  const error = latest([own, ...said.filter(one => one.status === undefined)], one => one.error, compareCodes);
  const price = latest(said, one => one.price, comparePrices);
  const extraJson = latest(
    said,
    one => one.extraJson,
    (a, b) => (a < b ? -1 : Number(a > b)),
  );
  const seen = said.flatMap(one => one.seenAt ?? []);
  return {
    status: winner.status,
    error: error ?? noError,
    at: winner.at,
    ...(doneAt !== undefined && { doneAt }),
    ...(price !== undefined && { price }),
    ...(seen.length > 0 && { seenAt: Math.min(...seen) }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

const stage = ({ final, groupName }: Status) => (final ? 2 : groupName === 'DELIVERED' ? 1 : 0);

const isAlike = (a: Status, b: Status) => a.groupId === b.groupId && stage(a) === stage(b);

type Verdict = DatedReport & { readonly status: Status };

/** Of one moment. */
function compareVerdicts(a: Verdict, b: Verdict): number {
  const isDelivery = ({ status }: Verdict) => Number(status.groupName === 'DELIVERED');
  return (
    isDelivery(a) - isDelivery(b) ||
    compareCodes(a.status, b.status) ||
    compareCodes(a.error ?? noError, b.error ?? noError)
  );
}

function compareCodes(a: Status | DeliveryError, b: Status | DeliveryError): number {
  return a.key - b.key || (codeText(a) < codeText(b) ? -1 : Number(codeText(a) > codeText(b)));
}

function comparePrices(a: Price, b: Price): number {
  return a.pricePerMessage - b.pricePerMessage || (a.currency < b.currency ? -1 : Number(a.currency > b.currency));
}

function latest<T>(
  reports: readonly DatedReport[],
  value: (report: DatedReport) => T | undefined,
  compare: (a: T, b: T) => number,
): T | undefined {
  const found = reports.flatMap(one => {
    const own = value(one);
    return own === undefined ? [] : [{ at: one.at satisfies EpochMs, own }];
  });
  return found.sort((a, b) => b.at - a.at || compare(b.own, a.own))[0]?.own;
}

import { type Evidence, evidenceFrom, reportsFor } from '../../../domain/evidence.ts';
import type { EpochMs, MessageState } from '../../../domain/message.ts';
import type { DatedReport } from '../../../domain/report.ts';
import { errorWith, extraIn, statusWith, wordsOf } from '../../words.ts';

/** A report or a state as text: short names, since there is one on every report row. */
type PackedReport = {
  readonly s?: number;
  readonly e?: number;
  /** What the codes' keys do not tell, and further fields. */
  readonly w?: string;
  readonly a: EpochMs;
  readonly d?: EpochMs;
  readonly v?: EpochMs;
  readonly p?: readonly [pricePerMessage: number, currency: string];
  /** On a report now and then: what all reports until this one come to. */
  readonly k?: readonly PackedReport[];
};

/** `evidence`: of all reports on the message until this one. */
export function writeReport(report: DatedReport, evidence?: Evidence): string {
  const packed = packReport(report);
  return JSON.stringify(evidence === undefined ? packed : { ...packed, k: reportsFor(evidence).map(packReport) });
}

function packReport({ status, error, at, doneAt, seenAt, price, extraJson }: DatedReport): PackedReport {
  const words = wordsOf({ status, error, extraJson });
  return {
    ...(status !== undefined && { s: status.key }),
    ...(error !== undefined && { e: error.key }),
    ...(words !== undefined && { w: words }),
    a: at,
    ...(doneAt !== undefined && { d: doneAt }),
    ...(seenAt !== undefined && { v: seenAt }),
    ...(price !== undefined && { p: [price.pricePerMessage, price.currency] }),
  };
}

/**
 * The error of a state that is kept as text, as `packedError` gives it: the second field of the text. The index of
 * reports by it stands in a step of the schema, so neither is ever changed.
 */
export const packedErrorOf = (text: string) => `split_part(${text}, ',', 2)`;
export const packedError = (key: number) => `"e":${key}`;

export function readReport(text: string): DatedReport {
  return reportIn(JSON.parse(text));
}

/** What all reports until this one come to, where it tells. */
export function readEvidence(text: string): Evidence | undefined {
  if (!text.includes('"k":[')) return undefined;
  const { k }: PackedReport = JSON.parse(text);
  return k === undefined ? undefined : evidenceFrom(k.map(reportIn));
}

function reportIn({ s, e, w, a, d, v, p }: PackedReport): DatedReport {
  const extraJson = extraIn(w);
  return {
    ...(s !== undefined && { status: statusWith(s, w) }),
    ...(e !== undefined && { error: errorWith(e, w) }),
    at: a,
    ...(d !== undefined && { doneAt: d }),
    ...(v !== undefined && { seenAt: v }),
    ...(p !== undefined && { price: { pricePerMessage: p[0], currency: p[1] } }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

export function readState(text: string): MessageState {
  const { status, error, ...rest } = readReport(text);
  if (status === undefined || error === undefined) throw new TypeError('a stored state lacks its status or error');
  return { ...rest, status, error };
}

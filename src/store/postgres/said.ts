import type { EpochMs, MessageState } from '../../domain/message.ts';
import type { DatedReport } from '../../domain/report.ts';
import { errorOf, statusOf, wordsOf } from './codes.ts';

/** A report or a state as text: short names, since there is one on every report row. */
type Said = {
  readonly s?: number;
  readonly e?: number;
  /** What the codes' keys do not tell. */
  readonly w?: string;
  readonly a: EpochMs;
  readonly d?: EpochMs;
  readonly v?: EpochMs;
  readonly p?: readonly [pricePerMessage: number, currency: string];
};

export function writeSaid({ status, error, at, doneAt, seenAt, price }: DatedReport): string {
  const words = wordsOf(status, error);
  const said: Said = {
    ...(status !== undefined && { s: status.key }),
    ...(error !== undefined && { e: error.key }),
    ...(words !== undefined && { w: words }),
    a: at,
    ...(doneAt !== undefined && { d: doneAt }),
    ...(seenAt !== undefined && { v: seenAt }),
    ...(price !== undefined && { p: [price.pricePerMessage, price.currency] }),
  };
  return JSON.stringify(said);
}

export function readReport(text: string): DatedReport {
  const { s, e, w, a, d, v, p }: Said = JSON.parse(text);
  return {
    ...(s !== undefined && { status: statusOf(s, w) }),
    ...(e !== undefined && { error: errorOf(e, w) }),
    at: a,
    ...(d !== undefined && { doneAt: d }),
    ...(v !== undefined && { seenAt: v }),
    ...(p !== undefined && { price: { pricePerMessage: p[0], currency: p[1] } }),
  };
}

export function readState(text: string): MessageState {
  const { status, error, ...rest } = readReport(text);
  if (status === undefined || error === undefined) throw new TypeError('a stored state lacks its status or error');
  return { ...rest, status, error };
}

import type { Accepted } from '../../../domain/acceptance.ts';
import { type Evidence, evidenceFrom, reportsFor } from '../../../domain/evidence.ts';
import type { Tallied } from '../../../domain/figures.ts';
import type {
  EpochMs,
  LogRecord,
  MessageIdentity,
  MessageState,
  Price,
  TimelineEntry,
} from '../../../domain/message.ts';
import {
  type DeliveryError,
  deliveryErrorByKey,
  isRegistered,
  noError,
  pendingAccepted,
  type Status,
  statusByKey,
} from '../../../domain/registry.ts';
import { type DatedReport, dated, type Report, recordedEntry, timelineEntry } from '../../../domain/report.ts';
import { errorWith, extraIn, statusWith, wordsOf } from '../../words.ts';
import { currencyName } from '../rows/currency.ts';
import type { MessageRow, ReportRow, ReportState, RowState } from '../rows/rows.ts';
import { type Move, movedText, movesBetween } from './count-items.ts';
import { numberAt, numbersPerRecord, type PackedBatch, partSeparator } from './packed-batch.ts';
import type { Position } from './position.ts';

/** The row of a new message, straight from the batch: the path that every recorded message takes. */
export function messageRowOf(batch: PackedBatch, index: number, ordinal: number): MessageRow {
  const { numbers, receivedAt } = batch;
  const base = index * numbersPerRecord;
  const number = (offset: number): number | null => {
    const value = numbers[base + offset];
    return value === undefined || Number.isNaN(value) ? null : value;
  };
  const sentAt = number(numberAt.sentAt) ?? receivedAt;
  const doneAt = number(numberAt.doneAt);
  const currency = number(numberAt.currency);
  return {
    ordinal,
    account: batch.account,
    sentAt,
    receivedAt,
    status: number(numberAt.status) ?? pendingAccepted.key,
    error: number(numberAt.error) ?? noError.key,
    at: number(numberAt.at) ?? doneAt ?? sentAt,
    doneAt,
    seenAt: number(numberAt.seenAt),
    price: number(numberAt.price),
    currency: currency === null ? null : currencyName(currency),
    messageCount: number(numberAt.messageCount) ?? 1,
    extra: batch.extras.get(index) ?? null,
    body: batch.texts[index] ?? '',
  };
}

/** Every log of a page is one: an object of a class has room for all that its constructor may set. */
class Identity implements MessageIdentity {
  readonly messageId: string;
  readonly sender: string;
  readonly destination: string;
  readonly sentAt: EpochMs;
  readonly messageCount: number;
  readonly contentJson: string;
  declare readonly bulkId?: string;
  declare readonly entityId?: string;
  declare readonly applicationId?: string;
  declare readonly campaignReferenceId?: string;

  constructor({ body, sentAt, messageCount }: MessageRow) {
    const messageEnd = body.indexOf(partSeparator);
    const bulkEnd = body.indexOf(partSeparator, messageEnd + 1);
    const senderEnd = body.indexOf(partSeparator, bulkEnd + 1);
    const destinationEnd = body.indexOf(partSeparator, senderEnd + 1);
    const entityEnd = body.indexOf(partSeparator, destinationEnd + 1);
    const applicationEnd = body.indexOf(partSeparator, entityEnd + 1);
    const campaignEnd = body.indexOf(partSeparator, applicationEnd + 1);
    this.messageId = body.slice(0, messageEnd);
    this.sender = body.slice(bulkEnd + 1, senderEnd);
    this.destination = body.slice(senderEnd + 1, destinationEnd);
    this.sentAt = sentAt;
    this.messageCount = messageCount;
    this.contentJson = body.slice(campaignEnd + 1);
    if (bulkEnd > messageEnd + 1) this.bulkId = body.slice(messageEnd + 1, bulkEnd);
    if (entityEnd > destinationEnd + 1) this.entityId = body.slice(destinationEnd + 1, entityEnd);
    if (applicationEnd > entityEnd + 1) this.applicationId = body.slice(entityEnd + 1, applicationEnd);
    if (campaignEnd > applicationEnd + 1) this.campaignReferenceId = body.slice(applicationEnd + 1, campaignEnd);
  }
}

/** With the state that its newest report left the message in, or it was recorded with. */
class Log extends Identity implements LogRecord {
  readonly status: Status;
  readonly error: DeliveryError;
  readonly at: EpochMs;
  declare readonly doneAt?: EpochMs;
  declare readonly price?: Price;
  declare readonly seenAt?: EpochMs;
  declare readonly extraJson?: string;

  constructor(row: MessageRow, { status, error, at, doneAt, price, seenAt, extraJson }: MessageState) {
    super(row);
    [this.status, this.error, this.at] = [status, error, at];
    if (doneAt !== undefined) this.doneAt = doneAt;
    if (price !== undefined) this.price = price;
    if (seenAt !== undefined) this.seenAt = seenAt;
    if (extraJson !== undefined) this.extraJson = extraJson;
  }
}

export function identityOf(row: MessageRow): MessageIdentity {
  return new Identity(row);
}

/** What of a message as it was recorded its summary needs, read off its row only as far as it is asked for. */
export class CountedRow {
  readonly #row: MessageRow;

  constructor(row: MessageRow) {
    this.#row = row;
  }

  get sentAt(): EpochMs {
    return this.#row.sentAt;
  }

  get messageCount(): number {
    return this.#row.messageCount;
  }

  get status() {
    return statusByKey(this.#row.status);
  }

  get error() {
    const { error: key, extra } = this.#row;
    return isRegistered({ key }) ? deliveryErrorByKey(key) : errorWith(key, extra);
  }

  get doneAt(): EpochMs | undefined {
    return this.#row.doneAt ?? undefined;
  }

  get price(): Price | undefined {
    const { price: pricePerMessage, currency } = this.#row;
    return pricePerMessage === null || currency === null ? undefined : { pricePerMessage, currency };
  }

  get sender(): string {
    return identityOf(this.#row).sender;
  }

  get campaignReferenceId(): string | undefined {
    return identityOf(this.#row).campaignReferenceId;
  }
}

/** The state that a message was recorded with, or that it has from a report on. */
export function stateIn({ status, error, extra, at, doneAt, seenAt, price, currency }: RowState): MessageState {
  const state: { -readonly [K in keyof MessageState]: MessageState[K] } = {
    status: statusWith(status, extra),
    error: errorWith(error, extra),
    at,
  };
  if (doneAt !== null) state.doneAt = doneAt;
  if (price !== null && currency !== null) state.price = { pricePerMessage: price, currency };
  if (seenAt !== null) state.seenAt = seenAt;
  const extraJson = extraIn(extra);
  if (extraJson !== undefined) state.extraJson = extraJson;
  return state;
}

export function logOf(row: MessageRow, newest: ReportState | undefined): LogRecord {
  return new Log(row, stateIn(newest ?? row));
}

/** What a report said, apart from what came of it: short names, since there is one on every report row. */
type PackedReport = {
  readonly s?: number;
  readonly e?: number;
  readonly x?: string;
  readonly a?: EpochMs;
  readonly d?: EpochMs;
  readonly v?: EpochMs;
  readonly p?: readonly [pricePerMessage: number, currency: string];
  /** Now and then: all that was said until then (see report-chain.ts). */
  readonly k?: readonly [reports: number, first: number, evidence: readonly PackedReport[]];
};

/**
 * The reports on a message are a chain: each row names the one before it. A row now and then sums up the chain until
 * then, so that neither a further report nor a timeline reads all of it. Version 0.1.0 wrote no such rows: its chains
 * are read whole, once, and the next report on them sums them up.
 */
export type ChainSummary = {
  /** Reports up to the row that holds this, its own among them. */
  readonly reports: number;
  /** The sequence of the report that is number `limits.timelineFirstMax`; 0 while there are fewer. */
  readonly first: number;
  readonly evidence: Evidence;
};

/** Where a report stands: its own number, its message, and the report before it on that message. */
export type ReportPlace = {
  readonly sequence: number;
  readonly position: Position;
  readonly message: MessageRow;
  readonly previous: number;
};

export function reportRowOf(
  place: ReportPlace,
  receivedAt: EpochMs,
  { report, outcome, course: { state: settled } }: Accepted,
  summary: ChainSummary | undefined,
  moves: readonly Move[],
): ReportRow {
  const said = packReport(report);
  if (summary !== undefined) said.k = [summary.reports, summary.first, reportsFor(summary.evidence).map(packReport)];
  return {
    sequence: place.sequence,
    previous: place.previous,
    status: settled.status.key,
    error: settled.error.key,
    at: settled.at,
    doneAt: settled.doneAt ?? null,
    seenAt: settled.seenAt ?? null,
    price: settled.price?.pricePerMessage ?? null,
    currency: settled.price?.currency ?? null,
    extra: wordsOf(settled) ?? null,
    message: place.position,
    receivedAt,
    said: JSON.stringify(said),
    account: place.message.account,
    sentAt: place.message.sentAt,
    changed: outcome === 'updated' ? 1 : 0,
    moved: movedText(moves),
  };
}

/** What an accepted report moves in the counts. */
export function movesOf({ outcome, before, course: { identity, state } }: Accepted): readonly Move[] {
  return outcome === 'updated' ? movesBetween(tallied(identity, before), tallied(identity, state)) : [];
}

function tallied(
  { sentAt, sender, campaignReferenceId, messageCount }: MessageIdentity,
  { status, error, doneAt, price }: MessageState,
): Tallied {
  return { sentAt, sender, campaignReferenceId, messageCount, status, error, doneAt, price };
}

function packReport(report: Report): Writable<PackedReport> {
  const { status, error, at, doneAt, seenAt, price } = report;
  const packed: Writable<PackedReport> = {};
  if (status !== undefined) packed.s = status.key;
  if (error !== undefined) packed.e = error.key;
  const extra = wordsOf(report);
  if (extra !== undefined) packed.x = extra;
  if (at !== undefined) packed.a = at;
  if (doneAt !== undefined) packed.d = doneAt;
  if (seenAt !== undefined) packed.v = seenAt;
  if (price !== undefined) packed.p = [price.pricePerMessage, price.currency];
  return packed;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What the report itself said, at the moment it counts for. */
export function reportIn(row: ReportRow): DatedReport {
  return reportOf(JSON.parse(row.said), row.receivedAt);
}

/** The summary of its chain that the row of a report holds, if it does. */
export function summaryIn(row: ReportRow): ChainSummary | undefined {
  if (!row.said.includes('"k":[')) return undefined;
  const { k }: PackedReport = JSON.parse(row.said);
  if (k === undefined) return undefined;
  const [reports, first, said] = k;
  return { reports, first, evidence: evidenceFrom(said.map(one => reportOf(one, row.receivedAt))) };
}

function reportOf(said: PackedReport, receivedAt: EpochMs): DatedReport {
  const extraJson = extraIn(said.x);
  const report: Report = {
    ...(said.s !== undefined && { status: statusWith(said.s, said.x) }),
    ...(said.e !== undefined && { error: errorWith(said.e, said.x) }),
    ...(said.a !== undefined && { at: said.a }),
    ...(said.d !== undefined && { doneAt: said.d }),
    ...(said.v !== undefined && { seenAt: said.v }),
    ...(said.p !== undefined && { price: { pricePerMessage: said.p[0], currency: said.p[1] } }),
    ...(extraJson !== undefined && { extraJson }),
  };
  return dated(report, receivedAt);
}

/** The timeline of a message: what it was recorded with, then each report, oldest first. */
export function timelineOf(row: MessageRow, reports: readonly ReportRow[]): readonly TimelineEntry[] {
  const entries = reports.map(report => timelineEntry(reportIn(report), stateIn(report), report.receivedAt));
  return [recordedEntry(stateIn(row), row.receivedAt), ...entries];
}

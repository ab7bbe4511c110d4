/** A message as it was recorded; `body` holds its texts (see packed-batch.ts). */
export type MessageRow = [
  ordinal: number,
  account: number,
  sentAt: number,
  receivedAt: number,
  status: number,
  error: number,
  at: number,
  doneAt: number | null,
  seenAt: number | null,
  price: number | null,
  currency: string | null,
  messageCount: number,
  extra: string | null,
  body: string,
];

/** The state a report left its message in. */
export type ReportState = [
  sequence: number,
  previous: number,
  status: number,
  error: number,
  at: number,
  doneAt: number | null,
  seenAt: number | null,
  price: number | null,
  currency: string | null,
  extra: string | null,
];

/** Which message a report is on, and the status it left it in. */
export type ReportOutcome = readonly [sequence: number, message: number, status: number];

/** `said` is the JSON of what it said. `account` and `sentAt` are its message's; `changed` is 0 when it left the log as it was; `moved` says what counts it moved. */
export type ReportRow = [...ReportState, ...RestOfReport];
type RestOfReport = [
  message: number,
  receivedAt: number,
  said: string,
  account: number,
  sentAt: number,
  changed: number,
  moved: string | null,
];

/** One or the other. */
export type MessageOrReport = { readonly message: MessageRow } | { readonly report: ReportRow };

/** What a segment holds of an account; how many, when the newest was sent, and which was recorded first. */
export type HeldOf = readonly [account: number, messages: number, newestSentAt: number, firstOrdinal: number];

export type RowsMeta = {
  readonly segment: number;
  readonly firstSequence: number;
  readonly createdAt: number;
  /** That of the log that the rows are of; absent where an earlier version wrote them. */
  readonly hashSeed?: number;
};

/** The rows of a segment, wherever they stand. A row that is not what was written throws what `isDamage` knows. */
export type Rows = {
  meta(): RowsMeta;
  message(ordinal: number): MessageRow | undefined;
  report(sequence: number): ReportRow | undefined;
  /** The rows of the given ordinals, in no particular order; a run of neighbours is read as one range. */
  messages(ordinals: readonly number[]): readonly MessageRow[];
  /** The given reports, in no particular order. */
  reports(sequences: readonly number[]): readonly ReportRow[];
  /** The states that the given reports left their messages in, in no particular order. */
  states(sequences: readonly number[]): readonly ReportState[];
  /** How many messages there are, the lost ones in between included: their ordinals run on from 0. */
  count(): number;
  /** How many reports there are, the lost ones in between included; their sequences run on from the first. */
  reportCount(firstSequence: number): number;
  accounts(): readonly HeldOf[];
  /** Every row from `from` on, `count` at a time, in order. */
  messagesFrom(from: number, count: number): readonly MessageRow[];
  reportsFrom(from: number, count: number): readonly ReportRow[];
  outcomesFrom(from: number, count: number): readonly ReportOutcome[];
  /** An account's messages among the ordinals from `from` to before `to`, in order, at most `count`. */
  messagesOf(account: number, from: number, to: number, count: number): readonly MessageRow[];
  /** The reports that changed an account's logs, among the sequences from `from` to before `to`, in order. */
  changesOf(account: number, from: number, to: number, count: number): readonly ReportRow[];
  close(): void;
};

/** All messages that there are, so many at a time, in order. */
export function* messageBatches(rows: Pick<Rows, 'messagesFrom'>, count: number): Generator<readonly MessageRow[]> {
  for (let batch = rows.messagesFrom(0, count); batch.length > 0; ) {
    yield batch;
    batch = rows.messagesFrom((batch.at(-1)?.[0] ?? 0) + 1, count);
  }
}

/** As `messageBatches`, of the reports. */
export function* reportBatches(rows: Rows, firstSequence: number, count: number): Generator<readonly ReportRow[]> {
  for (let batch = rows.reportsFrom(firstSequence, count); batch.length > 0; ) {
    yield batch;
    batch = rows.reportsFrom((batch.at(-1)?.[0] ?? 0) + 1, count);
  }
}

/** The state of a message as a row has it: keys of the registry, and `extra` with the words that these do not tell. */
export type RowState = {
  readonly status: number;
  readonly error: number;
  readonly at: number;
  readonly doneAt: number | null;
  readonly seenAt: number | null;
  readonly price: number | null;
  readonly currency: string | null;
  readonly extra: string | null;
};

/** A message as it was recorded; `body` holds its texts (see packed-batch.ts). */
export type MessageRow = RowState & {
  readonly ordinal: number;
  readonly account: number;
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly messageCount: number;
  readonly body: string;
};

/** The state a report left its message in, and the report before it on that message; 0 for none. */
export type ReportState = RowState & { readonly sequence: number; readonly previous: number };

export type ReportRow = ReportState & {
  /** The position of its message, whose account and `sentAt` it has. */
  readonly message: number;
  readonly account: number;
  readonly sentAt: number;
  readonly receivedAt: number;
  /** The JSON of what it said. */
  readonly said: string;
  /** 0 when it left the log as it was. */
  readonly changed: number;
  /** What counts it moved (see count-items.ts). */
  readonly moved: string | null;
};

/** One or the other. */
export type MessageOrReport = { readonly message: MessageRow } | { readonly report: ReportRow };

/** What a segment holds of an account; how many, when the newest was sent, and which was recorded first. */
export type HeldOf = {
  readonly account: number;
  readonly messages: number;
  readonly newestSentAt: number;
  readonly firstOrdinal: number;
};

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
  close(): void;
};

/** All messages that there are from an ordinal on, so many at a time, in order. */
export function* messageBatches(
  rows: Pick<Rows, 'messagesFrom'>,
  count: number,
  from = 0,
): Generator<readonly MessageRow[]> {
  for (let batch = rows.messagesFrom(from, count); batch.length > 0; ) {
    yield batch;
    batch = rows.messagesFrom((batch.at(-1)?.ordinal ?? 0) + 1, count);
  }
}

/** The same one by one. */
export function* messagesIn(rows: Pick<Rows, 'messagesFrom'>, count: number): Generator<MessageRow> {
  for (const batch of messageBatches(rows, count)) yield* batch;
}

/** As `messageBatches`, of the reports. */
export function* reportBatches(rows: Rows, firstSequence: number, count: number): Generator<readonly ReportRow[]> {
  for (let batch = rows.reportsFrom(firstSequence, count); batch.length > 0; ) {
    yield batch;
    batch = rows.reportsFrom((batch.at(-1)?.sequence ?? 0) + 1, count);
  }
}

/** What is held of each account, by these of its messages, in order. */
export function heldBy(messages: Iterable<Pick<MessageRow, 'ordinal' | 'account' | 'sentAt'>>): readonly HeldOf[] {
  const found = new Map<number, HeldOf>();
  for (const { ordinal, account, sentAt } of messages) {
    const before = found.get(account) ?? { messages: 0, newestSentAt: -Infinity, firstOrdinal: ordinal };
    const newestSentAt = Math.max(before.newestSentAt, sentAt);
    found.set(account, { account, messages: before.messages + 1, newestSentAt, firstOrdinal: before.firstOrdinal });
  }
  return [...found.values()].sort((a, b) => a.account - b.account);
}

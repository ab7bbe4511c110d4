import {
  type Course,
  joinWaiting,
  newCourse,
  type Outcome,
  type Reported,
  recordOne,
  reportOn,
  type WaitingReport,
  waitingText,
} from '../../src/domain/acceptance.ts';
import { Parts } from '../../src/domain/breakdown.ts';
import { evidenceOf, settled } from '../../src/domain/evidence.ts';
import { asksForText, conditionMatcher, type Filter, matches } from '../../src/domain/filter.ts';
import type {
  AccountId,
  EpochMs,
  LogRecord,
  MessageHistory,
  MessageIdentity,
  MessageState,
  Submission,
  TimelineEntry,
} from '../../src/domain/message.ts';
import { type DatedReport, identityIn, initialState, recordedEntry, timelineEntry } from '../../src/domain/report.ts';
import { bucketOf, completeSummary, type Summary } from '../../src/domain/summary.ts';
import { SummaryCell } from '../../src/domain/summary-cell.ts';
import { limits } from '../../src/limits.ts';
import { DroppingSum } from '../../src/store/dropping.ts';
import type { OwnHorizons } from '../../src/store/horizons.ts';
import {
  type Bookmark,
  type Change,
  type Changes,
  type ChangesQuery,
  type Dropping,
  InvalidBookmark,
  type Page,
  type Query,
  type RecordBatch,
  type RecordOutcome,
  type Rejection,
  type RenderedPage,
  type Store,
  type StoreStats,
  StoreUnavailable,
  type SummaryQuery,
} from '../../src/store/store.ts';
import { type LogForm, renderLogs } from '../../src/wire/text/log-text.ts';

type SequencedReport = DatedReport & { readonly sequence: number };

type Row = {
  readonly sequence: number;
  readonly identity: MessageIdentity;
  readonly initial: MessageState;
  course: Course;
  readonly reports: SequencedReport[];
  readonly timeline: TimelineEntry[];
};

/** A message that was recorded, or a report that changed its log; the log as it was then is that up to `asOf`. */
type Step = { readonly row: Row; readonly asOf: number };

type AccountRows = {
  /** In recording order. */
  rows: Row[];
  /** The same, newest first; absent when there are others than when they were sorted. */
  sorted?: readonly Row[] | undefined;
  readonly steps: Step[];
  /** The row that a `messageId` means now; an older one of the same id is past retention. */
  readonly known: Map<string, Row>;
};

/** A report with the account it is of. */
type Held = WaitingReport & { readonly account: AccountId };

/** What the store holds, apart from the store, so that it can be opened again on the same data. */
class Contents {
  readonly accounts = new Map<AccountId, AccountRows>();
  rowSequence = 0;
  reportSequence = 0;
  /** In the order they came. */
  readonly waiting: Held[] = [];
  dropped = 0;
  readonly watchers = new Set<{ readonly account: AccountId; readonly wake: () => void }>();

  account(id: AccountId): AccountRows {
    let found = this.accounts.get(id);
    if (found === undefined) {
      found = { rows: [], steps: [], known: new Map() };
      this.accounts.set(id, found);
    }
    return found;
  }
}

/** A place in the fixed order, and what the walk may see: nothing recorded or reported after these sequences. */
type Place = {
  readonly sentAt: EpochMs;
  readonly sequence: number;
  readonly rowSequence: number;
  readonly reportSequence: number;
};

export type MemoryStoreHooks = {
  /** Passed before each call does its work. */
  readonly delay?: () => Promise<void>;
  /** What `stats` tells as records taken but not yet durable. */
  readonly queuedRecords?: () => number;
  /** Messages that are looked through for words before the time of a page is over. */
  readonly lookedThroughMax?: number;
};

/** The reference store: the contract in its plainest form, and the model that engines are compared with. */
export class MemoryStore implements Store {
  readonly batchRecords = limits.batchRecordsMax;
  readonly #hooks: MemoryStoreHooks;
  readonly #contents: Contents;
  #closed = false;

  constructor(hooks: MemoryStoreHooks = {}, contents: Contents = new Contents()) {
    this.#hooks = hooks;
    this.#contents = contents;
  }

  /** Closes this store and opens another on the same data. */
  async reopen(): Promise<MemoryStore> {
    await this.close();
    return new MemoryStore(this.#hooks, this.#contents);
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    await this.#admit();
    const rejected: Rejection[] = [];
    const counts = { recorded: 0, updated: 0, unchanged: 0, waiting: 0 };
    for (const [index, submission] of batch.submissions.entries()) {
      const outcome = record(this.#contents, batch, submission);
      if (typeof outcome === 'string') counts[outcome]++;
      else rejected.push({ index, messageId: submission.messageId, violations: outcome });
    }
    for (const { account, wake } of this.#contents.watchers) if (account === batch.account) wake();
    return { ...counts, rejected };
  }

  async find(query: Query): Promise<Page> {
    await this.#admit();
    return this.#page(query);
  }

  async render(query: Query, form: LogForm): Promise<RenderedPage> {
    await this.#admit();
    const { logs, ...end } = this.#page(query);
    const text = new TextEncoder().encode(renderLogs(logs, form));
    return { text, count: logs.length, ...end };
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    await this.#admit();
    const row = this.#contents.account(account).known.get(messageId);
    if (row === undefined || row.identity.sentAt < sentSince) return undefined;
    const { timelineFirstMax, timelineNewestMax } = limits;
    const [recorded, ...reports] = row.timeline;
    const omitted = Math.max(0, reports.length - timelineFirstMax - timelineNewestMax);
    const shown = [...reports.slice(0, timelineFirstMax), ...reports.slice(timelineFirstMax + omitted)];
    return { log: logOf(row), timeline: recorded === undefined ? [] : [recorded, ...shown], omitted };
  }

  async changes({ account, sentSince, after, until, limit }: ChangesQuery): Promise<Changes> {
    await this.#admit();
    const { steps } = this.#contents.account(account);
    const end = until === undefined ? steps.length : stepOf(until, steps);
    const from = after === undefined ? end : stepOf(after, steps);
    const to = Math.min(from + limit, end);
    const changes: Change[] = [];
    for (const [i, { row, asOf }] of steps.slice(from, to).entries())
      if (row.identity.sentAt >= sentSince) changes.push({ log: logOf(row, asOf), place: `c${from + i + 1}` });
    return { changes, next: `c${Math.max(from, to)}`, more: to < end };
  }

  watch(account: AccountId, wake: () => void): () => void {
    const watcher = { account, wake };
    this.#contents.watchers.add(watcher);
    return () => this.#contents.watchers.delete(watcher);
  }

  async summarize({ account, filter, sentSince, range, by, first }: SummaryQuery): Promise<Summary> {
    await this.#admit();
    const total = new SummaryCell();
    const parts = by && new Parts(by, first);
    const buckets = Array.from({ length: range.buckets }, () => new SummaryCell());
    const { from, to = Number.POSITIVE_INFINITY } = range;
    for (const row of this.#contents.account(account).rows) {
      const log = logOf(row);
      if (log.sentAt < Math.max(from, sentSince) || log.sentAt >= to || !matches(log, filter)) continue;
      total.count(log, 1);
      buckets[bucketOf(range, log.sentAt)]?.count(log, 1);
      parts?.count(log);
    }
    return completeSummary(range, buckets, total, parts);
  }

  async stats(): Promise<StoreStats> {
    await this.#admit();
    const rows = [...this.#contents.accounts.values()].flatMap(account => account.rows);
    const oldestSentAt = rows.reduce((oldest, row) => Math.min(oldest, row.identity.sentAt), Number.POSITIVE_INFINITY);
    return {
      segments: 1,
      messages: rows.length,
      reports: rows.reduce((sum, row) => sum + row.reports.length, 0),
      bytes: rows.reduce((sum, row) => sum + JSON.stringify(row).length, 0),
      ...(rows.length > 0 && { oldestSentAt }),
      queuedRecords: this.#hooks.queuedRecords?.() ?? 0,
      waiting: { reports: this.#contents.waiting.length, dropped: this.#contents.dropped },
      damaged: [],
    };
  }

  async wouldDrop(sentAt: EpochMs, own: OwnHorizons = new Map(), sentUntil: EpochMs = Infinity): Promise<Dropping> {
    await this.#admit();
    const sum = new DroppingSum();
    for (const [id, { rows }] of this.#contents.accounts) {
      const horizon = own.get(id) ?? sentAt;
      for (const { identity } of rows.filter(row => row.identity.sentAt < sentUntil))
        sum.add(horizon, 1, identity.sentAt < horizon);
    }
    return sum.total();
  }

  async dropBefore(sentAt: EpochMs, own: OwnHorizons = new Map()): Promise<void> {
    await this.#admit();
    for (const [id, account] of this.#contents.accounts) {
      const before = own.get(id) ?? sentAt;
      account.rows = account.rows.filter(row => row.identity.sentAt >= before);
      account.sorted = undefined;
      for (const [id, row] of account.known) if (row.identity.sentAt < before) account.known.delete(id);
    }
  }

  async *accounts(): AsyncGenerator<Iterable<AccountId>> {
    await this.#admit();
    yield [...this.#contents.accounts].filter(([, { rows }]) => rows.length > 0).map(([id]) => id);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #admit(): Promise<void> {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
    await this.#hooks.delay?.();
  }

  #page(query: Query): Page {
    const account = this.#contents.account(query.account);
    const kept = account.rows.filter(row => row.identity.sentAt >= query.sentSince);
    const rowSequence = kept.reduce((newest, row) => Math.max(newest, row.sequence), 0);
    const reportSequence = kept.reduce((newest, row) => Math.max(newest, row.reports.at(-1)?.sequence ?? 0), 0);
    const start: Place = query.after === undefined ? beginning(rowSequence, reportSequence) : decode(query.after);
    const found: { readonly row: Row; readonly log: LogRecord }[] = [];
    let left = asksForText(query.filter) && query.budgetMs !== undefined ? this.#hooks.lookedThroughMax : undefined;
    const show = shownBy(query.filter, start.reportSequence);
    for (const row of sortedRows(account)) {
      if (found.length > query.limit) break;
      if (row.sequence > start.rowSequence || !liesBehind(row, start) || row.identity.sentAt < query.sentSince)
        continue;
      const log = show(row);
      if (log !== undefined) found.push({ row, log });
      if (left === undefined || --left > 0 || found.length > query.limit) continue;
      const { sentAt } = row.identity;
      const next = encode({ ...start, sentAt, sequence: row.sequence });
      return { logs: found.map(({ log }) => log), next, reached: sentAt };
    }
    const page = found.slice(0, query.limit);
    const last = page.at(-1)?.row;
    const logs = page.map(({ log }) => log);
    if (!query.walk || last === undefined || found.length === page.length) return { logs };
    return { logs, next: encode({ ...start, sentAt: last.identity.sentAt, sequence: last.sequence }) };
  }
}

function record(contents: Contents, batch: RecordBatch, submission: Submission): Outcome {
  const account = contents.account(batch.account);
  const found = account.known.get(submission.messageId);
  const known = found !== undefined && found.identity.sentAt >= batch.sentSince ? found : undefined;
  return recordOne(known, submission, batch, {
    report: row => reportOnRow(contents, row, { ...batch, submission }),
    record: () => recordNew(contents, batch, submission),
    wait: () => wait(contents, batch, submission),
  });
}

function recordNew(contents: Contents, batch: RecordBatch, submission: Submission): void {
  const account = contents.account(batch.account);
  const row = newRow(++contents.rowSequence, submission, batch);
  account.rows.push(row);
  account.sorted = undefined;
  account.steps.push({ row, asOf: contents.reportSequence });
  account.known.set(submission.messageId, row);
  for (const held of contents.waiting.filter(one => one.submission.messageId === submission.messageId)) {
    if (held.account !== batch.account) continue;
    const joined = joinWaiting(held, () => reportOnRow(contents, row, held));
    if (joined !== 'waits') contents.waiting.splice(contents.waiting.indexOf(held), 1);
    if (joined === 'dropped') contents.dropped++;
  }
}

function wait(contents: Contents, batch: RecordBatch, submission: Submission): boolean {
  const { account, binding, receivedAt, mayRead = true } = batch;
  const report = { account, binding, receivedAt, mayRead, submission };
  const own = contents.waiting.filter(one => one.account === account);
  const onMessage = own.filter(one => one.submission.messageId === submission.messageId);
  if (onMessage.some(one => waitingText(one) === waitingText(report))) return true;
  const full =
    onMessage.length >= limits.waitingOnMessageMax ||
    own.length >= limits.waitingOfAccountMax ||
    contents.waiting.length >= limits.waitingMax;
  if (full) return false;
  contents.waiting.push(report);
  return true;
}

function newRow(sequence: number, submission: Submission, { receivedAt }: RecordBatch): Row {
  const identity = identityIn(submission, receivedAt);
  const initial = initialState(submission, identity.sentAt);
  const timeline = [recordedEntry(initial, receivedAt)];
  return { sequence, identity, initial, course: newCourse(identity, initial), reports: [], timeline };
}

function reportOnRow(contents: Contents, row: Row, { submission, account, ...arrival }: Held): Reported {
  return reportOn(row.course, submission, arrival, ({ outcome, said, course }) => {
    row.course = course;
    row.reports.push({ ...said, sequence: ++contents.reportSequence });
    row.timeline.push(timelineEntry(said, course.state, arrival.receivedAt));
    if (outcome === 'updated') contents.account(account).steps.push({ row, asOf: contents.reportSequence });
  });
}

function stepOf(place: Bookmark, steps: readonly Step[]): number {
  const [, digits] = /^c(\d{1,9})$/.exec(place) ?? [];
  if (digits === undefined || Number(digits) > steps.length) throw new InvalidBookmark();
  return Number(digits);
}

function stateOf(row: Row, reportSequence = Number.POSITIVE_INFINITY): MessageState {
  const reports = row.reports.filter(report => report.sequence <= reportSequence);
  return settled(evidenceOf(row.initial, reports));
}

function logOf(row: Row, reportSequence?: number): LogRecord {
  return { ...row.identity, ...stateOf(row, reportSequence) };
}

/** The log as a page shows it: as it is now, unless that no longer has what it was found by. */
function shownBy(filter: Filter, reportSequence: number): (row: Row) => LogRecord | undefined {
  const { sentSince = -Infinity, sentUntil = Infinity } = filter;
  const isFixed = conditionMatcher(filter, { changes: false });
  const isInState = conditionMatcher(filter, { changes: true });
  return row => {
    const now = logOf(row);
    if (now.sentAt < sentSince || now.sentAt >= sentUntil || !isFixed(now)) return undefined;
    const then = logOf(row, reportSequence);
    if (!isInState(then)) return undefined;
    return isInState(now) ? now : then;
  };
}

function sortedRows(account: AccountRows): readonly Row[] {
  account.sorted ??= account.rows.toSorted(newestFirst);
  return account.sorted;
}

function newestFirst(a: Row, b: Row): number {
  return b.identity.sentAt - a.identity.sentAt || b.sequence - a.sequence;
}

function liesBehind(row: Row, { sentAt, sequence }: Place): boolean {
  return row.identity.sentAt < sentAt || (row.identity.sentAt === sentAt && row.sequence < sequence);
}

function beginning(rowSequence: number, reportSequence: number): Place {
  return { sentAt: Number.MAX_SAFE_INTEGER, sequence: 0, rowSequence, reportSequence };
}

function encode({ sentAt, sequence, rowSequence, reportSequence }: Place): Bookmark {
  return [sentAt, sequence, rowSequence, reportSequence].join('.');
}

function decode(bookmark: Bookmark): Place {
  const parts = /^(-?\d{1,16})\.(\d{1,16})\.(\d{1,16})\.(\d{1,16})$/.exec(bookmark);
  if (parts === null) throw new InvalidBookmark();
  const [sentAt, sequence, rowSequence, reportSequence] = parts.slice(1).map(Number);
  if (sentAt === undefined || sequence === undefined || rowSequence === undefined || reportSequence === undefined)
    throw new InvalidBookmark();
  return { sentAt, sequence, rowSequence, reportSequence };
}

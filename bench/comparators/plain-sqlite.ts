import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { takenViolations } from '../../src/domain/acceptance.ts';
import type { AccountId, EpochMs, MessageHistory, Submission, Violation } from '../../src/domain/message.ts';
import { identityIn, initialState, newMessageViolations } from '../../src/domain/report.ts';
import type { Summary } from '../../src/domain/summary.ts';
import { limits } from '../../src/limits.ts';
import type {
  Changes,
  ChangesQuery,
  Dropping,
  Page,
  Query,
  RecordBatch,
  RecordOutcome,
  Rejection,
  RenderedPage,
  Store,
  StoreStats,
  SummaryQuery,
} from '../../src/store/store.ts';
import { type LogForm, renderLogs } from '../../src/wire/text/log-text.ts';
import { changesOf, lookRegularly, placeOf, selectNewest } from './changes.ts';
import { reportOn } from './report-on.ts';
import {
  historyOf,
  knownOf,
  messageColumns,
  messageValues,
  number,
  type Row,
  reportColumns,
  reportValues,
  schema,
  stateColumns,
  stateValues,
  type Value,
} from './rows.ts';
import { type Dialect, pageOf, type Statement, selectPage } from './select.ts';
import { summaryOf } from './summary.ts';

/** Rows deleted at a time: requests are served between two portions. */
const deletedRowsMax = 5_000;

const dialect: Dialect = {
  value: () => '?',
  oneOf: column => `${column} IN (SELECT value FROM json_each(?))`,
  list: values => JSON.stringify(values),
};

/** One SQLite file: a table with ordinary indexes, one transaction a batch, every commit on the disk. */
export class PlainSqliteStore implements Store {
  readonly batchRecords = limits.batchRecordsMax;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(folder: string) {
    this.#database = new DatabaseSync(join(folder, 'plain.sqlite'));
    for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'cache_size = -262144', 'mmap_size = 268435456'])
      this.#database.exec(`PRAGMA ${pragma}`);
    for (const statement of schema('INTEGER PRIMARY KEY')) this.#database.exec(statement);
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    const counts = { recorded: 0, updated: 0, unchanged: 0 };
    const rejected: Rejection[] = [];
    this.#transaction(() => {
      for (const [index, submission] of batch.submissions.entries()) {
        const outcome = this.#recordOne(batch, submission);
        if (typeof outcome === 'string') counts[outcome]++;
        else rejected.push({ index, messageId: submission.messageId, violations: outcome });
      }
    });
    return { ...counts, waiting: 0, rejected };
  }

  async find(query: Query): Promise<Page> {
    const rows = this.#rows(selectPage(query, dialect));
    return pageOf(query, rows, query.walk && query.after === undefined ? this.#newestId() : 0);
  }

  async render(query: Query, form: LogForm): Promise<RenderedPage> {
    const { logs, next } = await this.find(query);
    const text = new TextEncoder().encode(renderLogs(logs, form));
    return { text, count: logs.length, ...(next !== undefined && { next }) };
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    const row = this.#messageRow(account, messageId);
    if (row === undefined || number(row, 'sent_at') < sentSince) return undefined;
    return historyOf(row, this.#reportRows(number(row, 'id')));
  }

  async changes(query: ChangesQuery): Promise<Changes> {
    return changesOf(
      query,
      dialect,
      async () => placeOf(this.#statement(selectNewest).get()),
      async statement => this.#rows(statement),
    );
  }

  watch(_account: AccountId, wake: () => void): () => void {
    return lookRegularly(wake);
  }

  async summarize(query: SummaryQuery): Promise<Summary> {
    return summaryOf(query, dialect, async statement => this.#rows(statement));
  }

  async stats(): Promise<StoreStats> {
    const counted = this.#statement(
      `SELECT (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM report WHERE number > 0) AS reports,
        (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes`,
    ).get();
    if (counted === undefined) throw new Error('SQLite counted nothing');
    const figure = (name: string) => number(counted, name);
    return {
      segments: 1,
      messages: figure('messages'),
      reports: figure('reports'),
      bytes: figure('bytes'),
      queuedRecords: 0,
      waiting: { reports: 0, dropped: 0 },
      damaged: [],
    };
  }

  async wouldDrop(sentAt: EpochMs): Promise<Dropping> {
    const sql = 'SELECT count(*) FILTER (WHERE sent_at < ?) AS past, count(*) AS messages FROM message';
    const [row] = this.#statement(sql).all(sentAt);
    if (row === undefined) throw new Error('there were no figures');
    return { past: number(row, 'past'), all: number(row, 'messages'), losesMost: false };
  }

  async *accounts(): AsyncGenerator<never> {}

  async dropBefore(sentAt: EpochMs): Promise<void> {
    const accounts = this.#statement('SELECT DISTINCT account_id FROM message').all();
    for (const row of accounts) {
      const past = 'SELECT id FROM message WHERE account_id = ? AND sent_at < ? ORDER BY sent_at LIMIT ?';
      const bounds = [number(row, 'account_id'), sentAt, deletedRowsMax];
      for (let deleted = deletedRowsMax; deleted === deletedRowsMax; ) {
        await setImmediate();
        this.#transaction(() => {
          this.#statement(`DELETE FROM report WHERE message IN (${past})`).run(...bounds);
          deleted = Number(this.#statement(`DELETE FROM message WHERE id IN (${past})`).run(...bounds).changes);
        });
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#database.isOpen) return;
    this.#database.exec('PRAGMA optimize');
    this.#database.close();
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #recordOne(batch: RecordBatch, submission: Submission): 'recorded' | 'updated' | 'unchanged' | readonly Violation[] {
    const { account, receivedAt, sentSince } = batch;
    const violations = newMessageViolations(submission, receivedAt, sentSince);
    if (violations.length === 0) {
      const identity = identityIn(submission, receivedAt);
      const values = messageValues(account, identity, initialState(submission, identity.sentAt), receivedAt);
      if (this.#statement(`${insert('message', messageColumns)} ON CONFLICT DO NOTHING`).run(...values).changes > 0)
        return 'recorded';
    }
    const row = this.#messageRow(account, submission.messageId);
    return row === undefined ? violations : this.#report(batch, submission, row);
  }

  #report(batch: RecordBatch, submission: Submission, row: Row) {
    const id = number(row, 'id');
    const known = knownOf(row, this.#reportRows(id));
    const reported = reportOn(known, submission, batch.binding, batch.receivedAt);
    if (reported.outcome === 'refused') return reported.violations;
    if (reported.outcome === 'outside') return takenViolations;
    if (reported.outcome === 'repeated') return 'unchanged';
    const add = this.#statement(insert('report', reportColumns));
    if (known.reports.length === 0) add.run(...reportValues(id, 0, known.initial, number(row, 'received_at')));
    add.run(...reportValues(id, known.reports.length + 1, reported.said, batch.receivedAt));
    const assignments = stateColumns.map(column => `${column} = ?`).join(', ');
    this.#statement(`UPDATE message SET ${assignments} WHERE id = ?`).run(...stateValues(reported.course.state), id);
    return reported.outcome;
  }

  #messageRow(account: AccountId, messageId: string) {
    return this.#statement('SELECT * FROM message WHERE account_id = ? AND message_id = ?').get(account, messageId);
  }

  #reportRows(id: number) {
    return this.#statement('SELECT * FROM report WHERE message = ? ORDER BY number').all(id);
  }

  #newestId(): number {
    const newest = this.#statement('SELECT coalesce(max(id), 0) AS id FROM message').get();
    return newest === undefined ? 0 : number(newest, 'id');
  }

  #rows({ sql, parameters }: Statement): readonly Row[] {
    return this.#statement(sql).all(...parameters.map(scalar));
  }

  /** Statements are prepared once; there are as many as combinations of filters in use. */
  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function insert(table: string, columns: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(columns);
  return `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
}

function scalar(parameter: Value | readonly string[]): Value {
  if (typeof parameter === 'object' && parameter !== null) throw new TypeError('SQLite takes no lists');
  return parameter;
}

import pg from 'pg';
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
import { changesOf, lookRegularly, type Place, placeOf, selectNewest } from './changes.ts';
import { type Known, reportOn } from './report-on.ts';
import {
  type ColumnType,
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
  text,
  type Value,
} from './rows.ts';
import { type Dialect, pageOf, type Statement, selectPage } from './select.ts';
import { summaryOf } from './summary.ts';

const connectionsMax = 8;
/** Shared by those that record, held alone by whoever looks how far they are. */
const lock = { shared: 'pg_advisory_xact_lock_shared(1)', alone: 'pg_advisory_xact_lock(1)' } as const;
/** Rows deleted in one transaction. */
const deletedRowsMax = 5_000;

const dialect: Dialect = {
  value: place => `$${place}`,
  oneOf: (column, place) => `${column} = ANY($${place})`,
  list: values => values,
};

/** `bigint` columns hold milliseconds and row numbers, all of them exact as numbers. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

const stateTypes = Object.fromEntries(stateColumns.map(column => [column, messageColumns[column]]));

/** A message that is being reported on, as it stands after the reports before in the same batch. */
type Target = {
  readonly row: Row;
  known: Known;

  readonly added: Value[][];
  moved: boolean;
};

/** One PostgreSQL table with ordinary indexes: multi-row statements by `unnest`, one transaction a batch. */
export class PlainPostgresStore implements Store {
  readonly batchRecords = limits.batchRecordsMax;
  readonly #pool: pg.Pool;

  private constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: connectionsMax, types });
    // An idle connection that breaks is replaced; the calls that need one fail by themselves.
    this.#pool.on('error', () => undefined);
  }

  static async open(url: string): Promise<PlainPostgresStore> {
    const store = new PlainPostgresStore(url);
    for (const statement of schema('bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY'))
      await store.#pool.query(statement);
    return store;
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    return this.#transaction('shared', client => recordBatch(client, batch));
  }

  async find(query: Query): Promise<Page> {
    const begins = query.walk && query.after === undefined;
    const newest = begins ? await this.#pool.query<Row>('SELECT coalesce(max(id), 0) AS id FROM message') : undefined;
    const rows = await this.#rows(selectPage(query, dialect));
    return pageOf(query, rows, newest?.rows[0] === undefined ? 0 : number(newest.rows[0], 'id'));
  }

  async render(query: Query, form: LogForm): Promise<RenderedPage> {
    const { logs, next } = await this.find(query);
    const rendered = new TextEncoder().encode(renderLogs(logs, form));
    return { text: rendered, count: logs.length, ...(next !== undefined && { next }) };
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    const { rows } = await this.#pool.query<Row>(
      'SELECT * FROM message WHERE account_id = $1 AND message_id = $2 AND sent_at >= $3',
      [account, messageId, sentSince],
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    const reports = await this.#pool.query<Row>('SELECT * FROM report WHERE message = $1 ORDER BY number', [row.id]);
    return historyOf(row, reports.rows);
  }

  async changes(query: ChangesQuery): Promise<Changes> {
    return changesOf(
      query,
      dialect,
      () => this.#newest(),
      statement => this.#rows(statement),
    );
  }

  watch(_account: AccountId, wake: () => void): () => void {
    return lookRegularly(wake);
  }

  async summarize(query: SummaryQuery): Promise<Summary> {
    return summaryOf(query, dialect, statement => this.#rows(statement));
  }

  async stats(): Promise<StoreStats> {
    const { rows } = await this.#pool.query<Row>(
      `SELECT (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM report WHERE number > 0) AS reports,
        pg_total_relation_size('message') + pg_total_relation_size('report') AS bytes`,
    );
    const counted = rows[0] ?? {};
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
    const sql = 'SELECT count(*) FILTER (WHERE sent_at < $1) AS past, count(*) AS messages FROM message';
    const [row] = (await this.#pool.query<Row>(sql, [sentAt])).rows;
    if (row === undefined) throw new Error('there were no figures');
    return { past: number(row, 'past'), all: number(row, 'messages'), losesMost: false };
  }

  async *accounts(): AsyncGenerator<never> {}

  async dropBefore(sentAt: EpochMs): Promise<void> {
    const accounts = await this.#pool.query<Row>('SELECT DISTINCT account_id FROM message');
    for (const row of accounts.rows) {
      const bounds = [number(row, 'account_id'), sentAt, deletedRowsMax];
      const past = `SELECT id FROM message WHERE account_id = $1 AND sent_at < $2 ORDER BY sent_at LIMIT $3`;
      for (let deleted = deletedRowsMax; deleted === deletedRowsMax; ) {
        const result = await this.#pool.query(
          `WITH past AS (${past}), reports AS (DELETE FROM report USING past WHERE report.message = past.id)
            DELETE FROM message USING past WHERE message.id = past.id`,
          bounds,
        );
        deleted = result.rowCount ?? 0;
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #rows({ sql, parameters }: Statement): Promise<readonly Row[]> {
    return (await this.#pool.query<Row>(sql, [...parameters])).rows;
  }

  /** Ids are given out before they are committed: only while nobody records is everything below the newest there. */
  async #newest(): Promise<Place> {
    return this.#transaction('alone', async client => placeOf((await client.query<Row>(selectNewest)).rows[0]));
  }

  async #transaction<T>(held: keyof typeof lock, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    try {
      await client.query(`BEGIN; SELECT ${lock[held]}`);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
}

async function recordBatch(client: pg.PoolClient, batch: RecordBatch): Promise<RecordOutcome> {
  const counts = { recorded: 0, updated: 0, unchanged: 0 };
  const rejected: Rejection[] = [];
  const violations = batch.submissions.map(one => newMessageViolations(one, batch.receivedAt, batch.sentSince));
  const recorded = await insertNew(client, batch, violations);
  const targets = await loadTargets(client, batch, recorded);
  for (const [index, submission] of batch.submissions.entries()) {
    const { messageId } = submission;
    const first = recorded.get(messageId);
    const target = first === undefined || index > first ? targets.get(messageId) : undefined;
    if (index === first) counts.recorded++;
    else if (target === undefined) rejected.push({ index, messageId, violations: violations[index] ?? [] });
    else {
      const outcome = report(target, submission, batch);
      if (typeof outcome === 'string') counts[outcome]++;
      else rejected.push({ index, messageId, violations: outcome });
    }
  }
  await writeReports(client, targets);
  return { ...counts, waiting: 0, rejected };
}

/** Inserts what can be a new message; gives the places of those that were new. */
async function insertNew(
  client: pg.PoolClient,
  batch: RecordBatch,
  violations: readonly (readonly Violation[])[],
): Promise<ReadonlyMap<string, number>> {
  const candidates = new Map<string, number>();
  for (const [index, { messageId }] of batch.submissions.entries())
    if (violations[index]?.length === 0 && !candidates.has(messageId)) candidates.set(messageId, index);
  const values: Value[][] = [];
  for (const index of candidates.values()) {
    const submission = batch.submissions[index];
    if (submission === undefined) continue;
    const identity = identityIn(submission, batch.receivedAt);
    values.push(messageValues(batch.account, identity, initialState(submission, identity.sentAt), batch.receivedAt));
  }
  if (values.length === 0) return new Map();
  const { rows } = await client.query<Row>(
    `${insert('message', messageColumns)} ON CONFLICT DO NOTHING RETURNING message_id`,
    transposed(values, messageColumns),
  );
  return new Map(rows.map(row => [text(row, 'message_id'), candidates.get(text(row, 'message_id')) ?? 0]));
}

/** The messages that the batch reports on, locked in one order so that two batches never wait for each other. */
async function loadTargets(
  client: pg.PoolClient,
  batch: RecordBatch,
  recorded: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, Target>> {
  const asked = batch.submissions.filter((one, index) => recorded.get(one.messageId) !== index);
  if (asked.length === 0) return new Map();
  const { rows } = await client.query<Row>(
    'SELECT * FROM message WHERE account_id = $1 AND message_id = ANY($2) ORDER BY id FOR UPDATE',
    [batch.account, asked.map(one => one.messageId)],
  );
  const reports = await client.query<Row>('SELECT * FROM report WHERE message = ANY($1) ORDER BY message, number', [
    rows.map(row => number(row, 'id')),
  ]);
  const reportsOf = Map.groupBy(reports.rows, row => number(row, 'message'));
  return new Map(
    rows.map(row => {
      const known = knownOf(row, reportsOf.get(number(row, 'id')) ?? []);
      return [text(row, 'message_id'), { row, known, added: [], moved: false }];
    }),
  );
}

function report(target: Target, submission: Submission, batch: RecordBatch) {
  const { known, row } = target;
  const reported = reportOn(known, submission, batch.binding, batch.receivedAt);
  if (reported.outcome === 'refused') return reported.violations;
  if (reported.outcome === 'outside') return takenViolations;
  if (reported.outcome === 'repeated') return 'unchanged';
  const id = number(row, 'id');
  if (known.reports.length === 0) target.added.push(reportValues(id, 0, known.initial, number(row, 'received_at')));
  target.added.push(reportValues(id, known.reports.length + 1, reported.said, batch.receivedAt));
  target.known = { ...known, reports: [...known.reports, reported.said], state: reported.course.state };
  target.moved = true;
  return reported.outcome;
}

async function writeReports(client: pg.PoolClient, targets: ReadonlyMap<string, Target>): Promise<void> {
  const moved = [...targets.values()].filter(target => target.moved);
  if (moved.length === 0) return;
  const added = moved.flatMap(target => target.added);
  await client.query(insert('report', reportColumns), transposed(added, reportColumns));
  const assignments = stateColumns.map(column => `${column} = given.${column}`).join(', ');
  const columns = { id: 'bigint', ...stateTypes } as const;
  await client.query(
    `UPDATE message SET ${assignments} FROM (SELECT * FROM ${unnest(columns)}) AS given WHERE message.id = given.id`,
    transposed(
      moved.map(({ row, known }) => [number(row, 'id'), ...stateValues(known.state)]),
      columns,
    ),
  );
}

type Columns = Readonly<Record<string, ColumnType>>;

function insert(table: string, columns: Columns): string {
  const names = Object.keys(columns).join(', ');
  return `INSERT INTO ${table} (${names}) SELECT * FROM ${unnest(columns)}`;
}

function unnest(columns: Columns): string {
  const arrays = Object.values(columns).map((type, index) => `$${index + 1}::${type}[]`);
  return `unnest(${arrays.join(', ')}) AS given (${Object.keys(columns).join(', ')})`;
}

/** Rows as one array a column. */
function transposed(rows: readonly (readonly Value[])[], columns: Columns): Value[][] {
  return Object.keys(columns).map((_, index) => rows.map(row => row[index] ?? null));
}

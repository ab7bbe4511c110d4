import { parse } from 'libpg-query';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import { distribute, distributedTables, distributionStatement } from '../../../src/store/postgres/schema/citus.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { Witness } from '../../support/sqlite-log.ts';
import { statementsOfEverything } from '../everything.ts';
import { ofAll, perhaps } from './statements-of-all.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const inside = (value: unknown, key: string): Node | undefined => {
  const found = isNode(value) ? value[key] : undefined;
  return isNode(found) ? found : undefined;
};

/** `alias.account_id`, as an alias. */
function accountOf(value: unknown): string | undefined {
  const fields = listOf(inside(value, 'ColumnRef')?.fields).map(field => inside(field, 'String')?.sval);
  if (fields.at(-1) !== 'account_id') return undefined;
  return fields.length > 1 ? String(fields[0]) : '';
}

const isParameter = (value: unknown): boolean =>
  inside(value, 'ParamRef') !== undefined || isParameterCast(inside(value, 'TypeCast'));
const isParameterCast = (cast: Node | undefined): boolean => cast !== undefined && isParameter(cast.arg);

/** What holds for certain: the parts of a condition that are joined by AND. */
function certain(condition: unknown): readonly unknown[] {
  const all = inside(condition, 'BoolExpr');
  return all?.boolop === 'AND_EXPR' ? listOf(all.args).flatMap(certain) : [condition];
}

type From = { readonly tables: Map<string, string>; readonly conditions: unknown[] };

function readFrom(value: unknown, from: From): void {
  const table = inside(value, 'RangeVar');
  const name = String(table?.relname);
  if (table !== undefined) from.tables.set(String(inside(table, 'alias')?.aliasname ?? name), name);
  const join = inside(value, 'JoinExpr');
  if (join === undefined) return;
  readFrom(join.larg, from);
  readFrom(join.rarg, from);
  from.conditions.push(join.quals);
}

/** The tables of one level of a statement that are not bound to the account of a parameter, and the levels below. */
function unbound(statement: Node, outer: ReadonlySet<string>): readonly string[] {
  const from: From = { tables: new Map(), conditions: [statement.whereClause] };
  const relation = inside(statement, 'relation');
  if (relation !== undefined && statement.cols === undefined) readFrom({ RangeVar: relation }, from);
  for (const item of [...listOf(statement.fromClause), ...listOf(statement.usingClause)]) readFrom(item, from);
  const bound = new Set(outer);
  const equalities = from.conditions
    .flatMap(certain)
    .map(part => inside(part, 'A_Expr') ?? {})
    .filter(one => inside(listOf(one.name)[0], 'String')?.sval === '=' && one.kind === 'AEXPR_OP');
  for (let before = -1; before < bound.size; ) {
    before = bound.size;
    for (const { lexpr, rexpr } of equalities)
      for (const [own, other] of [
        [accountOf(lexpr), rexpr],
        [accountOf(rexpr), lexpr],
      ] as const) {
        if (own === undefined) continue;
        const alias = own === '' ? [...from.tables.keys()][0] : own;
        if (alias !== undefined && (isParameter(other) || bound.has(accountOf(other) ?? ' '))) bound.add(alias);
      }
  }
  const loose = [...from.tables].filter(([alias, table]) => isDistributed(table) && !bound.has(alias));
  return [...loose.map(([, table]) => table), ...below(statement, bound)];
}

const statementKinds = ['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt'] as const;

function below(value: unknown, bound: ReadonlySet<string>): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(one => below(one, bound));
  if (!isNode(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    if (key === 'larg' || key === 'rarg')
      // The sides of a UNION come without their kind, those of a join with it.
      return isNode(child) && 'op' in child ? unbound(child, bound) : below(child, bound);
    const kind = statementKinds.find(one => one === key);
    if (kind === undefined || !isNode(child)) return below(child, bound);
    return [...unbound(child, bound), ...(kind === 'InsertStmt' ? misplaced(child) : [])];
  });
}

/** Rows inserted into a distributed table must name their account by a parameter, or take it from rows that are bound. */
function misplaced(insert: Node): readonly string[] {
  const table = String(inside(insert, 'relation')?.relname);
  if (!isDistributed(table)) return [];
  const place = listOf(insert.cols).findIndex(column => inside(column, 'ResTarget')?.name === 'account_id');
  const select = inside(inside(insert, 'selectStmt'), 'SelectStmt');
  const rows = listOf(select?.valuesLists).map(row => listOf(inside(row, 'List')?.items));
  const given = rows.length > 0 ? rows : [listOf(select?.targetList).map(one => inside(one, 'ResTarget')?.val)];
  return given.every(row => isParameter(row[place]) || accountOf(row[place]) !== undefined) ? [] : [table];
}

const isDistributed = (table: string) => distributedTables.some(one => one === table);

describe('the statements of the log', () => {
  it('every one of an account → each table it touches is bound to the account by a parameter, so that one worker answers', async () => {
    const sent = await statementsOfEverything(await server.database());
    const statements = sent.map(({ text }) => text);
    const spread = new Map<string, readonly string[]>();
    for (const text of statements) {
      const { stmts } = await parse(text);
      const tables = below(stmts, new Set());
      if (tables.length > 0) spread.set(text.replaceAll(/\s+/g, ' ').trim(), [...new Set(tables)]);
    }
    expect(statements.length).toBeGreaterThan(60);
    // Each by its part: numbers of transactions stand in some texts, which then come more than once.
    const line = (part: string, tables: readonly string[]) => `${part}: ${tables.toSorted().join()}`;
    const found = new Set<string>();
    for (const [text, tables] of spread)
      found.add(line([...ofAll, ...perhaps].find(([part]) => text.includes(part))?.[0] ?? text, tables));
    for (const [part, tables] of perhaps) found.delete(line(part, tables));
    expect([...found].toSorted()).toEqual(ofAll.map(([part, tables]) => line(part, tables)).toSorted());
  });

  it.each([
    'SELECT * FROM message m WHERE m.sent_at = $1',
    'SELECT * FROM message m WHERE m.account_id = $1 OR m.sent_at = $2',
    'SELECT * FROM message m JOIN report r ON r.number = m.number WHERE m.account_id = $1',
    'SELECT (SELECT count(*) FROM report r WHERE r.number = m.number) FROM message m WHERE m.account_id = $1',
    'INSERT INTO tally (account_id) SELECT t.generation FROM tally t WHERE t.account_id = $1',
    'SELECT 1 UNION ALL SELECT number FROM message',
    'UPDATE summed SET until_tx = $1',
  ])('%s → seen to be bound to none', async text => {
    const { stmts } = await parse(text);
    expect(below(stmts, new Set())).not.toEqual([]);
  });
});

describe('spreading the tables', () => {
  it('a server without Citus → left as it is', async () => {
    const url = await server.database();
    const store = await openPostgresStore({ url, poolSize: 2, observer: new Witness() });
    expect(await distribute({ url, schema: 'sentlog' }, () => {})).toBe(false);
    await store.close();
  });

  it('every table with accounts is spread by account beside the first', async () => {
    const url = await server.database();
    const store = await openPostgresStore({ url, poolSize: 2, observer: new Witness() });
    await store.close();
    const withAccounts = await server.query(
      `SELECT c.relname, c.relkind, format_type(a.atttypid, NULL) AS type FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'sentlog'::regnamespace AND a.attname = 'account_id' AND NOT c.relispartition
         AND c.relkind IN ('r', 'p')`,
      url,
    );
    const ofTheLog = withAccounts.filter(({ relname }) => isDistributed(String(relname)));
    expect(ofTheLog).toHaveLength(distributedTables.length);
    expect(new Set(ofTheLog.map(({ type }) => type))).toEqual(new Set(['bigint']));
    const keys = await server.query(
      `SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       WHERE i.indisunique AND c.relname IN (${distributedTables.map(table => `'${table}'`).join()})
         AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0]) <> 'account_id'`,
      url,
    );
    expect(keys).toEqual([]);
    expect(['message', 'tally'].map(table => distributionStatement('sentlog', table))).toEqual([
      `SELECT create_distributed_table('sentlog.message', 'account_id', colocate_with => 'none')`,
      `SELECT create_distributed_table('sentlog.tally', 'account_id', colocate_with => 'sentlog.message')`,
    ]);
  });
});

import pg from 'pg';
import { migrate } from '../../src/postgres/migrate.ts';
import { distribute } from '../../src/store/postgres/schema/citus.ts';
import { PostgresServer } from './postgres-server.ts';

/** What a test needs of a server: databases of its own, and to be rid of them. */
export type DatabaseServer = Pick<
  PostgresServer,
  'database' | 'databaseWithTables' | 'drop' | 'query' | 'url' | 'connect' | 'remove'
>;

/** The server to test on instead of one that the tests start: `postgres://…`, its user a superuser. */
const givenUrl = process.env.SENTLOG_TEST_POSTGRES;
export const isGiven = givenUrl !== undefined;

/** A server for the tests of one file: the one that is given, else a fresh one with these lines of configuration. */
export async function databaseServer(settings: readonly string[] = []): Promise<DatabaseServer> {
  return givenUrl === undefined ? PostgresServer.start(settings) : new GivenServer(givenUrl);
}

/** Whether the tests run on a server that is given, and it has Citus. */
export async function isOnCitus(): Promise<boolean> {
  onCitus ??=
    givenUrl === undefined ? Promise.resolve(false) : new GivenServer(givenUrl).nodes().then(nodes => nodes.length > 0);
  return onCitus;
}

let onCitus: Promise<boolean> | undefined;

/** Makes the tables as an operator would before the first server starts: spread, where the tests run on Citus. */
export async function prepare(url: string, schema = 'sentlog'): Promise<void> {
  if (givenUrl === undefined) return;
  await migrate({ url, schema }, () => {});
  await distribute({ url, schema }, () => {});
}

/** Few, so that tables are made quickly: one for each of two workers. */
const shards = 2;

type Node = { readonly host: string; readonly port: number; readonly isCoordinator: boolean };

let names = 0;

/**
 * A running server that nothing is changed on but databases of the tests' own. Where it coordinates others by Citus,
 * each database is made on all of them and becomes a cluster of its own.
 */
class GivenServer implements DatabaseServer {
  readonly #url: URL;
  readonly #made = new Set<string>();

  constructor(url: string) {
    this.#url = new URL(url);
  }

  url(database: string, user = decodeURIComponent(this.#url.username)): string {
    const url = new URL(this.#url);
    url.pathname = `/${database}`;
    url.username = user;
    return url.href;
  }

  async database(): Promise<string> {
    const name = `sentlog_test_${process.pid}_${++names}`;
    const nodes = await this.nodes();
    this.#made.add(name);
    if (nodes.length === 0) {
      await this.query(`CREATE DATABASE ${name}`);
      return this.url(name);
    }
    for (const node of nodes) {
      await this.query(`CREATE DATABASE ${name}`, this.#at(node));
      await this.query('CREATE EXTENSION citus', this.#at(node, name));
    }
    const add = ({ host, port, isCoordinator }: Node) =>
      `SELECT ${isCoordinator ? 'citus_set_coordinator_host' : 'citus_add_node'}('${host}', ${port})`;
    for (const node of nodes) await this.query(add(node), this.url(name));
    await this.query(`ALTER DATABASE ${name} SET citus.shard_count = ${shards}`);
    return this.url(name);
  }

  async databaseWithTables(): Promise<string> {
    const url = await this.database();
    await prepare(url);
    return url;
  }

  async query(text: string, url: string | URL = this.#url): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = await this.connect(String(url));
    try {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows;
    } finally {
      await client.end();
    }
  }

  async connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  }

  async remove(): Promise<void> {
    for (const name of [...this.#made]) await this.#drop(name);
  }

  async drop(url: string): Promise<void> {
    await this.#drop(new URL(url).pathname.slice(1));
  }

  async #drop(name: string): Promise<void> {
    const nodes = await this.nodes();
    const urls = nodes.length === 0 ? [this.#url.href] : nodes.map(node => this.#at(node));
    for (const url of urls) await this.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, url);
    this.#made.delete(name);
  }

  /** The servers of the cluster, the coordinator first; none without Citus. */
  async nodes(): Promise<readonly Node[]> {
    const [there] = await this.query(`SELECT FROM pg_extension WHERE extname = 'citus'`);
    if (there === undefined) return [];
    const rows = await this.query(
      `SELECT nodename, nodeport, groupid FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid`,
    );
    return rows.map(row => ({
      host: String(row.nodename),
      port: Number(row.nodeport),
      isCoordinator: row.groupid === 0,
    }));
  }

  #at({ host, port }: Node, database = this.#url.pathname.slice(1)): string {
    const url = new URL(this.url(database));
    url.hostname = host;
    url.port = `${port}`;
    return url.href;
  }
}

import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { PostgresServer } from '../test/support/postgres-server.ts';
import { processTreeBytes } from './machine.ts';
import { SendingPair } from './sending/handle.ts';
import { ServerProcess } from './server/handle.ts';
import type { Access, DriverName, StoreChoice } from './server/messages.ts';
import type { Workplace } from './workplace.ts';

export type Memory = { readonly residentBytes: number; readonly peakBytes: number };

/** One driver's log on disk, with whatever has to run beside the server to reach it. */
export type Backend = {
  /** Starts a server process on the log, and first what it needs. */
  start(): Promise<ServerProcess>;
  /** Resolves when the work that recording left for later is done: indexes, statistics, checkpoints. */
  quiet(): Promise<void>;
  stop(server: ServerProcess): Promise<void>;
  /** Kills the server, and what runs beside it, without a chance to put anything in order. */
  kill(server: ServerProcess): Promise<void>;
  /** Of the server and what runs beside it. */
  memory(server: ServerProcess): Promise<Memory>;
  /** What the messages and their indexes take on disk. Only while a server runs. */
  diskBytes(): Promise<number>;
  /** Starts a server that sends over these pages, on an outbox without messages, and a simulated Meta. */
  startSending(pages: readonly string[]): Promise<SendingPair>;
  /** Ends what `startSending` started beside both. */
  endSending(): Promise<void>;
  remove(): Promise<void>;
};

/** What is the same for every server of a bench. */
export type Surroundings = {
  readonly workplace: Workplace;
  readonly access: Access;
  readonly retentionMs: number;
  readonly segmentMessagesMax: number;
};

export type Driver = { readonly title: string; create(surroundings: Surroundings): Promise<Backend> };

export const drivers: Readonly<Record<DriverName, Driver>> = {
  sentlog: {
    title: 'sentlog',
    create: around =>
      inFolder(around, 'sentlog', folder => ({
        driver: 'sentlog',
        folder,
        segmentMessagesMax: around.segmentMessagesMax,
      })),
  },
  'plain-sqlite': {
    title: 'one SQLite file',
    create: around => inFolder(around, 'plain-sqlite', folder => ({ driver: 'plain-sqlite', folder })),
  },
  'plain-postgres': {
    title: 'one PostgreSQL table',
    create: around => besidePostgres(around, 'plain-postgres', 'public'),
  },
  'sentlog-postgres': {
    title: 'sentlog over PostgreSQL',
    create: around => besidePostgres(around, 'sentlog-postgres', 'sentlog'),
  },
};

const quietForMs = 1_000;
const lookEveryMs = 200;

/** A store that is a folder and runs within the server process. */
async function inFolder(
  { workplace, access, retentionMs }: Surroundings,
  name: 'sentlog' | 'plain-sqlite',
  storeIn: (folder: string) => StoreChoice,
): Promise<Backend> {
  const folder = workplace.newFolder(name);
  await mkdir(folder);
  return {
    start: () => ServerProcess.start(workplace, { store: storeIn(folder), access, retentionMs }),
    quiet: async () => {
      for (let since = performance.now(), last = ''; performance.now() - since < quietForMs; ) {
        const now = JSON.stringify(await sizes(folder));
        if (now !== last) since = performance.now();
        last = now;
        await setTimeout(lookEveryMs);
      }
    },
    startSending: async pages => {
      const own = workplace.newFolder(`${name}-sending`);
      await mkdir(own);
      return SendingPair.start(workplace, { driver: name, folder: own }, pages);
    },
    endSending: async () => {},
    stop: server => server.stop(),
    kill: server => server.kill(),
    memory: server => server.ask({ kind: 'memory' }, 'memory'),
    diskBytes: async () => (await sizes(folder)).reduce((sum, file) => sum + file.bytes, 0),
    remove: () => rm(folder, { recursive: true }),
  };
}

/** `schema` has the tables of the log. */
async function besidePostgres(
  { workplace, access, retentionMs }: Surroundings,
  driver: 'plain-postgres' | 'sentlog-postgres',
  schema: string,
): Promise<Backend> {
  const folder = workplace.newFolder('postgres');
  await mkdir(folder);
  const postgres = await PostgresServer.start(['shared_buffers=1GB'], folder);
  const url = postgres.socketUrl('postgres');
  const endNow = workplace.endWith(() => postgres.halt('kill'));
  const query = async (...statements: readonly string[]) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      let rows: readonly Record<string, unknown>[] = [];
      for (const statement of statements) rows = (await client.query<Record<string, unknown>>(statement)).rows;
      return rows;
    } finally {
      await client.end();
    }
  };
  return {
    start: async () => {
      await postgres.resume();
      const store = { driver, url };
      return ServerProcess.start(workplace, { store, access, retentionMs });
    },
    quiet: async () => {
      await query('VACUUM (ANALYZE)', 'CHECKPOINT');
    },
    startSending: async pages => {
      await postgres.resume();
      return SendingPair.start(workplace, { driver, url: await postgres.database() }, pages);
    },
    endSending: () => postgres.halt('fast'),
    stop: async server => {
      await server.stop();
      await postgres.halt('fast');
    },
    kill: async server => {
      await server.kill();
      await postgres.halt('kill');
    },
    memory: async server => {
      const own = await server.ask({ kind: 'memory' }, 'memory');
      const beside = await processTreeBytes(postgres.processId);
      return { residentBytes: own.residentBytes + beside, peakBytes: own.peakBytes + beside };
    },
    diskBytes: async () => {
      const [row] = await query(
        `SELECT sum(pg_total_relation_size(oid))::float8 AS bytes FROM pg_class
         WHERE relkind = 'r' AND relnamespace = '${schema}'::regnamespace`,
      );
      return Number(row?.bytes);
    },
    remove: async () => {
      await endNow();
      await rm(folder, { recursive: true });
    },
  };
}

type FileSize = { readonly name: string; readonly bytes: number };

/** Files that go away between the listing and the look are not there any more, and count as nothing. */
async function sizes(folder: string): Promise<readonly FileSize[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile());
  return Promise.all(
    files.map(async entry => {
      const name = join(entry.parentPath, entry.name);
      const found = await stat(name).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return { blocks: 0 };
        throw error;
      });
      return { name, bytes: found.blocks * 512 };
    }),
  );
}

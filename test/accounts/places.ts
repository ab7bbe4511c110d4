import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { Credentials } from '../../src/accounts/credentials.ts';
import { PostgresAccountRows } from '../../src/accounts/postgres/account-rows.ts';
import { PostgresCredentialRows } from '../../src/accounts/postgres/credential-rows.ts';
import type { AccountRows, CredentialRows } from '../../src/accounts/rows.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { SqliteCredentialRows } from '../../src/accounts/sqlite/credential-rows.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { KeptTables } from '../support/kept-tables.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A clock that stands still until it is moved. */
export class TestClock {
  #ms = Date.parse('2026-03-01T12:00:00Z');
  readonly now = () => this.#ms;

  advance(ms: number): void {
    this.#ms += ms;
  }
}

/** Where accounts are kept, empty, for one test. */
type Kept = {
  readonly accountRows: () => AccountRows;
  readonly credentialRows: () => CredentialRows;
  /** Runs a statement as somebody who looks at the rows or changes them by hand. */
  readonly byHand: (statement: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
};

/** The accounts of a test, as a server has them (`credentials`) and as the commands change them (`accounts`). */
export type Opened = {
  readonly clock: TestClock;
  readonly accounts: Accounts;
  readonly credentials: Credentials;
  /** As another process has them. */
  readonly elsewhere: () => Accounts;
  readonly restarted: () => Credentials;
  /** As yet another process has their rows. */
  readonly rowsElsewhere: () => AccountRows;
  readonly byHand: Kept['byHand'];
};

/** A kind of place; `start` and `stop` stand around all its tests. */
export type Place = {
  readonly place: string;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly open: () => Promise<Opened>;
  /** The table of users, by the name it has there. */
  readonly userTable: string;
};

async function opened({ accountRows, credentialRows, byHand }: Kept): Promise<Opened> {
  const clock = new TestClock();
  const accounts = () => {
    const made = new Accounts(accountRows(), clock.now);
    onTestFinished(() => made.close());
    return made;
  };
  const first = accounts();
  const credentials = () => {
    const options = { now: clock.now, tokenTtlMs: 3_600_000, sessionTtlMs: 7_200_000 };
    const made = new Credentials(credentialRows(), options);
    onTestFinished(() => made.close());
    return made;
  };
  const rowsElsewhere = () => {
    const made = accountRows();
    onTestFinished(() => made.close());
    return made;
  };
  const others = { elsewhere: accounts, restarted: credentials, rowsElsewhere, byHand };
  return { clock, accounts: first, credentials: credentials(), ...others };
}

export function openFile(path: string): Promise<Opened> {
  return opened({
    accountRows: () => new SqliteAccountRows(path),
    credentialRows: () => new SqliteCredentialRows(path),
    byHand: async statement => {
      const db = new DatabaseSync(path);
      const rows = db.prepare(statement).all();
      db.close();
      return rows;
    },
  });
}

const file: Place = {
  place: 'a file',
  start: async () => {},
  stop: async () => {},
  open: () => openFile(join(temporaryFolder(), 'accounts.db')),
  userTable: 'user',
};

function database(): Place {
  let server: PostgresServer;
  let tables: KeptTables;
  return {
    place: 'PostgreSQL',
    start: async () => {
      server = await PostgresServer.start(['fsync=off']);
      tables = new KeptTables(server);
    },
    stop: () => server.remove(),
    open: async () => {
      const place = await tables.take();
      onTestFinished(() => tables.giveBack(place));
      const { url, schema } = place;
      const connections = () => new Connections({ url, schema, statementTimeoutMs: 5000, max: 2, note: () => {} });
      return opened({
        accountRows: () => new PostgresAccountRows(connections()),
        credentialRows: () => new PostgresCredentialRows(connections()),
        byHand: statement => server.query(statement, `${url}?options=-c%20search_path%3D${schema}`),
      });
    },
    userTable: 'account_user',
  };
}

/** Every kind of place that accounts are kept in. */
export const places: readonly Place[] = [file, database()];

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

import type { AccountId, EpochMs } from '../../src/domain/message.ts';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import type { Store, StoreObserver, StoreStats } from '../../src/store/store.ts';
import { newPlace } from './log-places.ts';
import { OwnAccounts, ownNumbers } from './own-accounts.ts';

const silent: StoreObserver = { committed() {}, damaged() {}, note() {} };

type Opened = { readonly store: Store; close(): Promise<void> };

let opened: Promise<Opened> | undefined;
let clock: () => EpochMs;
const unused = numbers();

function* numbers(): Generator<AccountId, undefined> {
  for (let account = 1000; ; account++) yield account;
}

/**
 * Accounts that nothing was recorded for yet, in the log that the tests of a file share: to open one takes ten times as
 * long as most of them, and that nothing of other accounts shows is so tried by all.
 */
export async function sharedLog(database: string, now: () => EpochMs): Promise<Store> {
  clock = now;
  opened ??= open(database);
  const { store } = await opened;
  return new Lasting(store, ownNumbers(unused));
}

/** A file of tests ends with it. */
export async function closeSharedLog(): Promise<void> {
  const last = opened;
  opened = undefined;
  await (await last)?.close();
}

async function open(database: string): Promise<Opened> {
  const place = await newPlace(database);
  const { url, schema } = place;
  // On a busy machine a statement and a connection may take their time, and so may those that a read waits for.
  const patient = { statementTimeoutMs: 60_000, connectMsMax: 60_000, turnMsMax: 60_000 };
  const store = await openPostgresStore({ url, schema, poolSize: 4, ...patient, observer: silent, now: () => clock() });
  const close = async () => {
    await store.close();
    await place.remove();
  };
  return { store, close };
}

/** A server asks for the figures of the whole, and one that closes its store leaves it open for others. */
class Lasting extends OwnAccounts {
  readonly #whole: Store;

  constructor(whole: Store, own: (account: AccountId) => AccountId) {
    super(whole, own);
    this.#whole = whole;
  }

  override stats(): Promise<StoreStats> {
    return this.#whole.stats();
  }

  override async close(): Promise<void> {}
}

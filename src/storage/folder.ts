import { join } from 'node:path';
import { Accounts } from '../accounts/accounts.ts';
import { Credentials } from '../accounts/credentials.ts';
import { SqliteAccountRows } from '../accounts/sqlite/account-rows.ts';
import { SqliteCredentialRows } from '../accounts/sqlite/credential-rows.ts';
import type { Config } from '../config.ts';
import { SqliteMirrorRows } from '../mirror/sqlite/mirror-rows.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { type OutboxNote, openSqliteOutbox } from '../outbox/sqlite/engine.ts';
import { SqliteSenderRows } from '../senders/sender-file.ts';
import { blockRowsMax } from '../store/block/layout.ts';
import { openSqliteStore } from '../store/embedded/engine.ts';
import { ClockFile } from '../store/embedded/files/clock-file.ts';
import { Folder, holdsLog } from '../store/embedded/files/folder.ts';
import { FolderLock, refusePartial } from '../store/embedded/files/folder-lock.ts';
import { refuseOtherKinds } from '../store/embedded/files/kinds.ts';
import { closeToOthers } from '../store/embedded/files/privacy.ts';
import { keepRoomToOpen, makeRoomToOpen } from '../store/embedded/files/reserve.ts';
import { namesAccounts, seedOf } from '../store/embedded/log/log-file.ts';
import type { StoreObserver } from '../store/store.ts';
import { MadeFiles } from './made-files.ts';
import {
  credentialOptions,
  dropPast,
  openedPlaces,
  type Storage,
  startedLostAccounts,
  startedRetentions,
  wouldDrop,
} from './storage.ts';

/** In a data folder, for one server. */
export async function openFolder(config: Config, observer: StoreObserver): Promise<Storage> {
  await using parts = new AsyncDisposableStack();
  refusePartial(config.dataDir);
  refuseOtherKinds(config.dataDir);
  const removed = makeRoomToOpen(config.dataDir);
  if (removed > 0)
    observer.note({
      level: 'warn',
      message: 'the disk is full: files that are made again later gave way',
      detail: { removed },
    });
  // After all else: what is opened last is closed first.
  parts.defer(() => keepRoomToOpen(config.dataDir));
  const pathOf = (name: string) => join(config.dataDir, name);
  const made = new MadeFiles(config.dataDir, reason =>
    observer.note({ level: 'warn', message: 'which databases were made cannot be noted', detail: { reason } }),
  );
  made.refuseLost();
  const accountsPath = pathOf('accounts.db');
  const accountRows = new SqliteAccountRows(accountsPath, !holdsLog(config.dataDir));
  const accounts = parts.adopt(new Accounts(accountRows, Date.now), one => one.close());
  made.note();
  const options = {
    dataDir: config.dataDir,
    accounts: await accounts.identity(),
    durability: config.durability,
    segmentMessagesMax: config.segmentMessages,
    // A segment that is older than retention would keep messages long past it.
    segmentAgeMs: Math.min(config.segmentAgeMs, config.retentionMs),
    ...(config.merge === 'on' && { merging: { youngestLeft: 2, blockRows: blockRowsMax } }),
    readerThreads: config.readerThreads,
    observer,
  };
  // Before anything of it is opened: what SQLite makes beside a file is as open as that is.
  const paths = closeToOthers(config.dataDir);
  if (paths.length > 0)
    observer.note({ level: 'warn', message: 'other users of this machine may look into the log', detail: { paths } });
  await refuseOthersLog(config.dataDir, accounts, accountRows);
  const store = parts.adopt(await openSqliteStore(options), one => one.close());
  const hashSeed = seedOf(config.dataDir);
  if (hashSeed !== undefined) accountRows.noteLog(hashSeed);
  const rows = new SqliteCredentialRows(accountsPath);
  const authenticator = parts.adopt(new Credentials(rows, credentialOptions(config)), one => one.close());
  const retentions = await startedRetentions(accounts, config, one => observer.note(one));
  parts.defer(() => retentions.stop());
  const places = openedPlaces(
    parts,
    () => new SqliteMirrorRows(pathOf('mirrors.db')),
    () => new SqliteSenderRows(pathOf('senders.db')),
    config,
    one => observer.note(one),
  );
  made.note('mirrors.db', 'senders.db');
  const lostAccounts = startedLostAccounts(parts, { store, accounts, ...places }, one => observer.note(one));
  const opened = parts.move();
  return {
    store,
    accounts,
    authenticator,
    ...places,
    openOutbox: () => openOutbox(config, made, observer),
    retentions,
    lostAccounts,
    sweepClock: new ClockFile(config.dataDir, new Folder(config.dataDir).disk),
    wouldDrop: sentUntil => wouldDrop(store, retentions, sentUntil),
    dropPast: () => dropPast(store, retentions),
    close: () => opened.disposeAsync(),
  };
}

async function openOutbox({ dataDir, carrier }: Config, made: MadeFiles, observer: StoreObserver): Promise<Outbox> {
  const note: OutboxNote = (message, detail) => observer.note({ level: 'error', message, detail });
  // What is only played is little.
  const memory = carrier === 'simulated' ? 'little' : 'usual';
  const outbox = await openSqliteOutbox(join(dataDir, 'outbox.db'), note, memory);
  made.note('outbox.db');
  return outbox;
}

/** A log that does not say whose it is must be proven to be that of the accounts beside it. Throws `StoreUnusable`. */
async function refuseOthersLog(dataDir: string, accounts: Accounts, rows: SqliteAccountRows): Promise<void> {
  if (!holdsLog(dataDir) || namesAccounts(dataDir)) return;
  const { refuseUnproven } = await import('../store/embedded/offline/unclaimed.ts');
  const beside = { made: await accounts.accounts(), notedSeed: rows.notedLog() };
  const lock = new FolderLock(dataDir);
  try {
    refuseUnproven(new Folder(dataDir), beside);
  } finally {
    lock.release();
  }
}

import type { Accounts } from '../accounts/accounts.ts';
import type { Authenticator } from '../accounts/authenticator.ts';
import { Retentions } from '../accounts/retentions.ts';
import type { Config } from '../config.ts';
import type { AccountId, EpochMs } from '../domain/message.ts';
import type { RequestCounter } from '../http/rate-limit/request-counter.ts';
import { Mirrors } from '../mirror/mirrors.ts';
import type { MirrorRows } from '../mirror/rows.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { Secrets } from '../secrets.ts';
import { type ReportPlaceRows, ReportPlaces } from '../senders/report-places.ts';
import type { SenderRows } from '../senders/rows.ts';
import { Senders } from '../senders/senders.ts';
import type { Dropping, Store, StoreObserver } from '../store/store.ts';
import type { SweepClock } from '../sweeper.ts';
import { LostAccounts } from './lost-accounts.ts';

/** All that is kept: in a data folder, for one server, or in a database, for any number of them. */
export type Storage = {
  readonly store: Store;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
  readonly mirrors: Mirrors;
  readonly mirrorRows: MirrorRows;
  /** How long each account keeps its messages. */
  readonly retentions: Retentions;
  readonly senders: Senders;
  readonly reportPlaces: ReportPlaces;
  /** For whoever sends: it is the caller's to close. */
  readonly openOutbox: () => Promise<Outbox>;
  /** In memory when absent. */
  readonly requestCounter?: RequestCounter;
  /** Accounts that the log, mirrors or senders have, and that are not there. */
  readonly lostAccounts: LostAccounts;
  /** What the clock said when what is past was last dropped. */
  readonly sweepClock: SweepClock;
  /** How much `dropPast` would drop of what was sent before a moment. */
  readonly wouldDrop: (sentUntil: EpochMs) => Promise<Dropping>;
  /** Drops what is past: messages past retention, and what has expired besides. */
  readonly dropPast: () => Promise<void>;
  /** Finishes what was asked for, lets go of everything. */
  readonly close: () => Promise<void>;
};

/** By the times that hold now: what an account was told to keep longer must not go by what was known a moment ago. */
export async function dropPast(store: Store, retentions: Retentions): Promise<void> {
  await retentions.refresh();
  const { others, own } = retentions.horizons(Date.now());
  await store.dropBefore(others, own);
}

export async function wouldDrop(store: Store, retentions: Retentions, sentUntil: EpochMs): Promise<Dropping> {
  await retentions.refresh();
  const { others, own } = retentions.horizons(Date.now());
  return store.wouldDrop(others, own, sentUntil);
}

export async function startedRetentions(
  accounts: Accounts,
  { retentionMs }: Config,
  note: StoreObserver['note'],
): Promise<Retentions> {
  const retentions = new Retentions(accounts, retentionMs, error =>
    note({
      level: 'warn',
      message: 'how long accounts keep their messages cannot be read now',
      detail: { reason: String(error) },
    }),
  );
  await retentions.start();
  return retentions;
}

/** Looks for accounts that are known elsewhere, and are not among those that there are. `parts` stops it. */
export function startedLostAccounts(
  parts: AsyncDisposableStack,
  { accounts, ...kept }: Pick<Storage, 'accounts' | 'store' | 'mirrors' | 'senders' | 'reportPlaces'>,
  note: StoreObserver['note'],
): LostAccounts {
  const lost = new LostAccounts({
    known: () => accountsKnown(kept),
    rows: accounts,
    found: detail =>
      note({
        level: 'error',
        message:
          'accounts that the log knows are not there, and nobody can read what they have: restore the accounts from a newer ' +
          'backup, or give what one has to a new account by `sentlog accounts adopt NAME --id ID`',
        detail,
      }),
    failed: error =>
      note({
        level: 'warn',
        message: 'whether accounts were lost cannot be looked for now',
        detail: { reason: String(error) },
      }),
  });
  parts.defer(() => lost.stop());
  lost.start();
  return lost;
}

/** What an outbox has was told to the log. */
async function* accountsKnown({
  store,
  mirrors,
  senders,
  reportPlaces,
}: Pick<Storage, 'store' | 'mirrors' | 'senders' | 'reportPlaces'>): AsyncGenerator<Iterable<AccountId>> {
  for (const places of [await mirrors.list(), await senders.list(), await reportPlaces.list()])
    yield places.map(({ account }) => account);
  yield* store.accounts();
}

/** What comes in and goes out besides, over the rows that either kind of storage keeps of it; `parts` closes them. */
export function openedPlaces(
  parts: AsyncDisposableStack,
  openMirrorRows: () => MirrorRows,
  openSenderRows: () => SenderRows & ReportPlaceRows,
  config: Config,
  note: StoreObserver['note'],
): Pick<Storage, 'mirrors' | 'mirrorRows' | 'senders' | 'reportPlaces'> {
  const secrets = new Secrets(config.secrets);
  const unopened = (reason: string) =>
    note({ level: 'warn', message: 'webhooks of a page cannot be proven', detail: { reason } });
  const mirrorRows = openMirrorRows();
  const mirrors = parts.adopt(new Mirrors(mirrorRows, secrets, Date.now), one => one.close());
  const senderRows = openSenderRows();
  const senders = parts.adopt(new Senders(senderRows, secrets, Date.now, unopened), one => one.close());
  return { mirrors, mirrorRows, senders, reportPlaces: new ReportPlaces(senderRows, secrets, Date.now) };
}

export function credentialOptions({ tokenTtlMs, sessionTtlMs }: Config) {
  return { now: Date.now, tokenTtlMs, sessionTtlMs };
}

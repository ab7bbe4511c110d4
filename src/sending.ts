import { join } from 'node:path';
import type { Principal } from './accounts/authenticator.ts';
import { OpenAuthenticator } from './accounts/open-authenticator.ts';
import type { Config } from './config.ts';
import type { AccountId, EpochMs } from './domain/message.ts';
import { openSqliteOutbox } from './outbox/sqlite/engine.ts';
import { Emulator } from './sender/emulator.ts';
import { Sender } from './sender/sender.ts';
import { anyPage, SimulatedCarrier } from './sender/simulated-carrier.ts';
import { defaultTerms } from './simulator/terms.ts';
import type { Storage } from './storage.ts';

type Note = (level: 'info' | 'warn' | 'error', message: string, detail: object) => void;

/** What sends, and what steers it where Meta is played. */
export type Sending = {
  readonly sender: Sender;
  readonly emulator?: Emulator;
  readonly clock: () => EpochMs;
  readonly close: () => Promise<void>;
};

/** Opens the outbox and begins to send; `undefined` when the server has no carrier. */
export async function openSending(config: Config, storage: Storage, note: Note): Promise<Sending | undefined> {
  if (config.carrier === 'none') return undefined;
  await using parts = new AsyncDisposableStack();
  const emulator = parts.adopt(new Emulator(defaultTerms, (message, detail) => note('warn', message, detail)), one =>
    one.close(),
  );
  const clock = emulator.clock.now;
  const outbox = parts.adopt(await openSqliteOutbox(join(config.dataDir, 'outbox.db')), one => one.close());
  const { store } = storage;
  const carrier = new SimulatedCarrier(emulator.meta);
  const { retentionMs } = config;
  const sender = new Sender({ outbox, store, carrier, pages: anyPage, clock, retentionMs, note });
  emulator.join(sender);
  parts.adopt(sender, one => one.close());
  await sender.start();
  const opened = parts.move();
  return { sender, emulator, clock, close: () => opened.disposeAsync() };
}

/**
 * An emulator for everybody: any credential is let in, to an account that is a new one after each reset. An account sees
 * nothing of another, so the log of a new one is empty.
 */
export async function openToAll({ accounts }: Storage, { emulator, sender }: Sending): Promise<OpenAuthenticator> {
  let runs = 0;
  const begin = async (): Promise<Principal> => {
    const { id, name } = await accounts.createAccount(`emulator ${Date.now()}-${++runs}`);
    return { account: { id, name }, scopes: ['messenger:manage'], binding: {} };
  };
  let principal = await begin();
  emulator?.join(sender, async (account: AccountId) => {
    if (account === principal.account.id) principal = await begin();
  });
  return new OpenAuthenticator(() => principal);
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { Credentials } from '../../src/accounts/credentials.ts';

/** A clock that stands still until it is moved. */
export class TestClock {
  #ms = Date.parse('2026-03-01T12:00:00Z');
  readonly now = () => this.#ms;

  advance(ms: number): void {
    this.#ms += ms;
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Opened = {
  readonly path: string;
  readonly clock: TestClock;
  readonly accounts: Accounts;
  readonly credentials: Credentials;
};

/** An accounts file of its own, as a server holds it (`credentials`) and as the commands change it (`accounts`). */
export function openAccounts(): Opened {
  const path = join(temporaryFolder(), 'accounts.db');
  const clock = new TestClock();
  const accounts = new Accounts(path, clock.now);
  const credentials = new Credentials({ path, now: clock.now, tokenTtlMs: 3_600_000, sessionTtlMs: 7_200_000 });
  onTestFinished(async () => {
    await credentials.close();
    accounts.close();
  });
  return { path, clock, accounts, credentials };
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

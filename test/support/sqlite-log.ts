import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Submission } from '../../src/domain/message.ts';
import { openSqliteStore } from '../../src/store/embedded/engine.ts';
import type { SqliteStoreOptions } from '../../src/store/embedded/options.ts';
import type { Store, StoreObserver } from '../../src/store/store.ts';

export const hourMs = 3_600_000;

/** What an engine told, for tests to look at. */
export class Witness implements StoreObserver {
  readonly damagedParts: { readonly name: string; readonly reason: string }[] = [];
  readonly notes: string[] = [];

  committed(): void {}

  damaged(part: { readonly name: string; readonly reason: string }): void {
    this.damagedParts.push(part);
  }

  note(event: { readonly message: string }): void {
    this.notes.push(event.message);
  }
}

/** A log in a folder of its own, opened and closed as often as a test likes. */
export class SqliteLog {
  readonly dataDir: string;
  readonly witness = new Witness();
  readonly #options: Partial<SqliteStoreOptions>;

  constructor(options: Partial<SqliteStoreOptions> = {}) {
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'sentlog-log-'));
    this.#options = options;
  }

  open(): Promise<Store> {
    return openSqliteStore({
      durability: 'full',
      segmentMessagesMax: 100,
      segmentAgeMs: hourMs,
      readerThreads: 1,
      observer: this.witness,
      ...this.#options,
      dataDir: this.dataDir,
    });
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

export function submission(number: number, fields: Partial<Submission> = {}): Submission {
  return {
    messageId: `message-${number}`,
    sender: 'page',
    destination: `person-${number % 7}`,
    contentJson: `{"text":"number ${number}","type":"TEXT"}`,
    ...fields,
  };
}

/** Records numbered messages of account 1, a thousand a batch, each a second older than the one before. */
export async function recordNumbered(store: Store, from: number, to: number, now: number): Promise<void> {
  for (let at = from; at < to; at += 1000) {
    const submissions = Array.from({ length: Math.min(1000, to - at) }, (_, i) =>
      submission(at + i, { sentAt: now - (at + i) * 1000 }),
    );
    await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
  }
}

/** Every message id of an account, by a walk of small pages. */
export async function walkIds(store: Store, limit = 97, account = 1): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await store.find({ account, filter: {}, sentSince: 0, limit, walk: true, ...(after && { after }) });
    ids.push(...page.logs.map(log => log.messageId));
    if (page.next === undefined) return ids;
    after = page.next;
  }
}

export function numberedIds(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `message-${from + i}`);
}

/** What takes longer has gone wrong, on a slow and busy machine too. */
const comesWithinMs = 60_000;

/** Resolves once `condition` holds; rejects when it does not within a minute. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + comesWithinMs; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`what was waited for did not come: ${condition}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

import type { DatabaseSync } from 'node:sqlite';
import { transact } from '../../accounts/sqlite/accounts-file.ts';
import { integer, optionalInteger, optionalText, type Row, text } from '../../accounts/sqlite/row.ts';
import type { EpochMs } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import { OpenedFile } from '../../opened-file.ts';
import { readSlots, spending, spentIn, writeSlots } from '../budget.ts';
import { readCheck, writeCheck } from '../check/check-text.ts';
import {
  type Budget,
  type Check,
  type Followed,
  type Following,
  type Kept,
  type Mirror,
  type MirrorChanges,
  MirrorGone,
  type MirrorRows,
  type NewMirror,
  type Pause,
  type Spent,
} from '../rows.ts';
import { openMirrorFile } from './mirror-file.ts';

/**
 * Mirrors in a file of the data folder. Only one server can have the folder, so it always has the lease; the commands
 * change mirrors beside it.
 */
export class SqliteMirrorRows implements MirrorRows {
  readonly #db: DatabaseSync;
  readonly #file: OpenedFile;

  /** Makes the file when it is not there. Throws `MirrorError` when it cannot be used. */
  constructor(path: string) {
    this.#db = openMirrorFile(path);
    this.#file = new OpenedFile(path);
  }

  async add(mirror: NewMirror, sealedKey: string): Promise<Mirror | undefined> {
    const { name, account, from, requestsPerMinute, sinceMs, createdAt } = mirror;
    return this.#work(() => {
      const row = this.#db
        .prepare(
          `INSERT INTO mirror (name, account_id, url, sealed_key, requests_per_minute, since_ms, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING *`,
        )
        .get(name, account, from, sealedKey, requestsPerMinute, sinceMs, createdAt);
      return row && readMirror(row);
    });
  }

  async mirrors(): Promise<readonly Mirror[]> {
    return this.#work(() => this.#db.prepare('SELECT * FROM mirror ORDER BY name').all().map(readMirror));
  }

  async change(id: number, { from, sealedKey, requestsPerMinute }: MirrorChanges): Promise<void> {
    this.#work(() =>
      this.#db
        .prepare(
          `UPDATE mirror SET url = coalesce(?, url), sealed_key = coalesce(?, sealed_key),
             requests_per_minute = coalesce(?, requests_per_minute) WHERE id = ?`,
        )
        .run(from ?? null, sealedKey ?? null, requestsPerMinute ?? null, id),
    );
  }

  async pause(id: number, pause: Pause | undefined): Promise<void> {
    this.#work(() =>
      this.#db
        .prepare('UPDATE mirror SET pause_reason = ?, paused_at = ? WHERE id = ?')
        .run(pause?.reason ?? null, pause?.at ?? null, id),
    );
  }

  async checked(id: number, check: Check): Promise<void> {
    this.#work(() => this.#db.prepare('UPDATE mirror SET last_check = ? WHERE id = ?').run(writeCheck(check), id));
  }

  async remove(id: number): Promise<boolean> {
    return this.#work(() => Number(this.#db.prepare('DELETE FROM mirror WHERE id = ?').run(id).changes) > 0);
  }

  async lease(id: number): Promise<boolean> {
    return this.#work(() => this.#db.prepare('SELECT 1 FROM mirror WHERE id = ?').get(id) !== undefined);
  }

  async release(): Promise<void> {}

  async place(id: number): Promise<string | undefined> {
    return this.#work(() => {
      const row = this.#db.prepare('SELECT place FROM mirror WHERE id = ?').get(id);
      return row && optionalText(row, 'place');
    });
  }

  async keep(id: number, _holder: string, { place, follow, pendingOf, unfollow }: Kept): Promise<boolean> {
    return this.#work(() =>
      transact(this.#db, () => {
        const kept = this.#db.prepare('UPDATE mirror SET place = ? WHERE id = ?').run(place, id);
        if (Number(kept.changes) === 0) return false;
        const adding = this.#db.prepare(
          `INSERT INTO followed (mirror_id, message_id, sent_at, due_at, by_id) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET due_at = excluded.due_at, by_id = excluded.by_id
           WHERE due_at <> excluded.due_at OR by_id <> excluded.by_id`,
        );
        if (pendingOf !== undefined)
          this.#db
            .prepare(
              `UPDATE followed SET by_id = 1, due_at = sent_at
               WHERE mirror_id = ? AND sent_at >= ? AND sent_at < ? AND by_id = 0
                 AND message_id NOT IN (SELECT value FROM json_each(?))`,
            )
            .run(id, pendingOf.from, pendingOf.until, JSON.stringify(follow.map(one => one.messageId)));
        for (const { messageId, sentAt, dueAt, isById } of follow)
          adding.run(id, messageId, sentAt, dueAt, isById ? 1 : 0);
        const ending = this.#db.prepare('DELETE FROM followed WHERE mirror_id = ? AND message_id = ?');
        for (const messageId of unfollow) ending.run(id, messageId);
        return true;
      }),
    );
  }

  async due(id: number, at: EpochMs, youngSince: EpochMs, limit: number): Promise<readonly Followed[]> {
    // One is due by its id after it was sent at the soonest: what is due of younger ones became so since then.
    const [young, others] = ['due_at > ? AND sent_at > ?', 'sent_at <= ?'].map(
      condition => `SELECT * FROM followed INDEXED BY followed_by_due
        WHERE mirror_id = ? AND due_at <= ? AND ${condition} ORDER BY due_at LIMIT ?`,
    );
    return this.#work(() =>
      [
        ...this.#db.prepare(young ?? '').all(id, at, youngSince, youngSince, limit),
        ...this.#db.prepare(others ?? '').all(id, at, youngSince, limit),
      ].map(readFollowed),
    );
  }

  async followed(id: number): Promise<Following> {
    return this.#work(() => {
      const row = this.#db.prepare('SELECT messages, by_id FROM following WHERE mirror_id = ?').get(id);
      return row === undefined
        ? { messages: 0, byId: 0 }
        : { messages: integer(row, 'messages'), byId: integer(row, 'by_id') };
    });
  }

  async unfollow(id: number, messageIds: readonly string[]): Promise<void> {
    this.#work(() =>
      transact(this.#db, () => {
        const ending = this.#db.prepare('DELETE FROM followed WHERE mirror_id = ? AND message_id = ?');
        for (const messageId of messageIds) ending.run(id, messageId);
      }),
    );
  }

  async spend(id: number, at: EpochMs, budget: Budget, isPatient: boolean): Promise<number | undefined> {
    return this.#work(() =>
      transact(this.#db, () => {
        const spent = this.#spent(id);
        if (spent === undefined) throw new MirrorGone();
        const { slots, fullForMs } = spending(readSlots(spent), at, budget, isPatient);
        const next = writeSlots(slots);
        if (next !== spent) this.#db.prepare('UPDATE mirror SET spent = ? WHERE id = ?').run(next, id);
        return fullForMs;
      }),
    );
  }

  async spent(id: number, at: EpochMs): Promise<Spent> {
    return this.#work(() => spentIn(readSlots(this.#spent(id) ?? ''), at));
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #spent(id: number): string | undefined {
    const row = this.#db.prepare('SELECT spent FROM mirror WHERE id = ?').get(id);
    return row && text(row, 'spent');
  }

  /** A full disk, or a command that holds the file for long, may pass. */
  #work<T>(work: () => T): T {
    this.#file.refuseMoved();
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR')) throw error;
      throw new Unavailable(`the file of the mirrors cannot be used now: ${error.message}`, 1000, { cause: error });
    }
  }
}

function readFollowed(row: Row): Followed {
  return {
    messageId: text(row, 'message_id'),
    sentAt: integer(row, 'sent_at'),
    dueAt: integer(row, 'due_at'),
    isById: integer(row, 'by_id') === 1,
  };
}

function readMirror(row: Row): Mirror {
  const reason = optionalText(row, 'pause_reason');
  const lastCheck = readCheck(optionalText(row, 'last_check') ?? 'null');
  return {
    id: integer(row, 'id'),
    name: text(row, 'name'),
    account: integer(row, 'account_id'),
    from: text(row, 'url'),
    sealedKey: text(row, 'sealed_key'),
    requestsPerMinute: integer(row, 'requests_per_minute'),
    sinceMs: integer(row, 'since_ms'),
    createdAt: integer(row, 'created_at'),
    ...(reason !== undefined && { pause: { reason, at: optionalInteger(row, 'paused_at') ?? 0 } }),
    ...(lastCheck !== undefined && { lastCheck }),
  };
}

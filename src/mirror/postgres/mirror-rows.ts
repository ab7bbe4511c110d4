import type { EpochMs } from '../../domain/message.ts';
import { bigints, smallints, texts } from '../../postgres/arrays.ts';
import { integer, optional, type Row, text } from '../../postgres/cells.ts';
import type { Connections } from '../../postgres/connections.ts';
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

/** Mirrors in the database of the log, for any number of servers; leases go by the clock of the database. */
export class PostgresMirrorRows implements MirrorRows {
  readonly #connections: Connections;

  /** Closes the connections when it is closed. */
  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async add(mirror: NewMirror, sealedKey: string): Promise<Mirror | undefined> {
    const { name, account, from, requestsPerMinute, sinceMs, createdAt } = mirror;
    const [row] = await this.#connections.query(
      `INSERT INTO mirror (name, account_id, url, sealed_key, requests_per_minute, since_ms, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING RETURNING ${columns}`,
      [name, account, from, sealedKey, requestsPerMinute, sinceMs, createdAt],
    );
    return row && readMirror(row);
  }

  async mirrors(): Promise<readonly Mirror[]> {
    return (await this.#connections.query(`SELECT ${columns} FROM mirror ORDER BY name`)).map(readMirror);
  }

  async change(id: number, { from, sealedKey, requestsPerMinute }: MirrorChanges): Promise<void> {
    await this.#connections.query(
      `UPDATE mirror SET url = coalesce($1, url), sealed_key = coalesce($2, sealed_key),
         requests_per_minute = coalesce($3, requests_per_minute) WHERE id = $4`,
      [from ?? null, sealedKey ?? null, requestsPerMinute ?? null, id],
    );
  }

  async pause(id: number, pause: Pause | undefined): Promise<void> {
    await this.#connections.query('UPDATE mirror SET pause_reason = $1, paused_at = $2 WHERE id = $3', [
      pause?.reason ?? null,
      pause?.at ?? null,
      id,
    ]);
  }

  async checked(id: number, check: Check): Promise<void> {
    await this.#connections.query('UPDATE mirror SET last_check = $1 WHERE id = $2', [writeCheck(check), id]);
  }

  async remove(id: number): Promise<boolean> {
    return (await this.#connections.query('DELETE FROM mirror WHERE id = $1 RETURNING id', [id])).length > 0;
  }

  async lease(id: number, holder: string, leaseMs: number): Promise<boolean> {
    const taken = await this.#connections.query(
      `UPDATE mirror SET holder = $2, leased_until = now() + $3 * interval '1 millisecond'
       WHERE id = $1 AND (holder IS NULL OR holder = $2 OR leased_until < now()) RETURNING id`,
      [id, holder, leaseMs],
    );
    return taken.length > 0;
  }

  async release(id: number, holder: string): Promise<void> {
    await this.#connections.query('UPDATE mirror SET holder = NULL WHERE id = $1 AND holder = $2', [id, holder]);
  }

  async place(id: number): Promise<string | undefined> {
    const [[place] = []] = await this.#connections.query('SELECT place FROM mirror WHERE id = $1', [id]);
    return optional(place, text);
  }

  async keep(id: number, holder: string, { place, follow, pendingOf, unfollow }: Kept): Promise<boolean> {
    return this.#connections.transaction(brief, async session => {
      const kept = await session.query('UPDATE mirror SET place = $1 WHERE id = $2 AND holder = $3 RETURNING id', [
        place,
        id,
        holder,
      ]);
      if (kept.length === 0) return false;
      // One statement sets a row once.
      const last = [...new Map(follow.map(one => [one.messageId, one])).values()];
      if (pendingOf !== undefined)
        await session.query(
          `UPDATE mirror_followed SET by_id = 1, due_at = sent_at
           WHERE mirror_id = $1 AND sent_at >= $2 AND sent_at < $3 AND by_id = 0 AND message_id <> ALL ($4::text[])`,
          [id, pendingOf.from, pendingOf.until, texts(last.map(one => one.messageId))],
        );
      if (last.length > 0)
        await session.query(
          `INSERT INTO mirror_followed (mirror_id, message_id, sent_at, due_at, by_id)
           SELECT $1, f.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::smallint[]) f
           ON CONFLICT (mirror_id, message_id) DO UPDATE SET due_at = excluded.due_at, by_id = excluded.by_id
           WHERE mirror_followed.due_at <> excluded.due_at OR mirror_followed.by_id <> excluded.by_id`,
          [
            id,
            texts(last.map(one => one.messageId)),
            bigints(last.map(one => one.sentAt)),
            bigints(last.map(one => one.dueAt)),
            smallints(last.map(one => (one.isById ? 1 : 0))),
          ],
        );
      if (unfollow.length > 0) await session.query(endFollowing, [id, texts(unfollow)]);
      return true;
    });
  }

  async due(id: number, at: EpochMs, youngSince: EpochMs, limit: number): Promise<readonly Followed[]> {
    const due = (condition: string) =>
      `(SELECT message_id, sent_at, due_at, by_id FROM mirror_followed
        WHERE mirror_id = $1 AND due_at <= $2 AND ${condition} ORDER BY due_at LIMIT $4)`;
    // One is due by its id after it was sent at the soonest: what is due of younger ones became so since then.
    const [young, others] = [due('due_at > $3 AND sent_at > $3'), due('sent_at <= $3')];
    const rows = await this.#connections.query(`${young} UNION ALL ${others}`, [id, at, youngSince, limit]);
    return rows.map(([messageId, sentAt, dueAt, isById]) => ({
      messageId: text(messageId),
      sentAt: integer(sentAt),
      dueAt: integer(dueAt),
      isById: integer(isById) === 1,
    }));
  }

  async followed(id: number): Promise<Following> {
    const [[messages, byId] = []] = await this.#connections.query(
      'SELECT count(*), count(*) FILTER (WHERE by_id = 1) FROM mirror_followed WHERE mirror_id = $1',
      [id],
    );
    return { messages: integer(messages), byId: integer(byId) };
  }

  async unfollow(id: number, messageIds: readonly string[]): Promise<void> {
    await this.#connections.transaction(brief, async session => {
      // First what `keep` locks first: each takes many rows, in orders of their own, and would wait for the other's.
      await session.query('SELECT 1 FROM mirror WHERE id = $1 FOR UPDATE', [id]);
      await session.query(endFollowing, [id, texts(messageIds)]);
    });
  }

  async spend(id: number, at: EpochMs, budget: Budget, isPatient: boolean): Promise<number | undefined> {
    return this.#connections.transaction(brief, async session => {
      const [row] = await session.query('SELECT spent FROM mirror WHERE id = $1 FOR UPDATE', [id]);
      if (row === undefined) throw new MirrorGone();
      const [spent = ''] = row;
      const { slots, fullForMs } = spending(readSlots(text(spent)), at, budget, isPatient);
      const next = writeSlots(slots);
      if (next !== spent) await session.query('UPDATE mirror SET spent = $1 WHERE id = $2', [next, id]);
      return fullForMs;
    });
  }

  async spent(id: number, at: EpochMs): Promise<Spent> {
    const [[spent = ''] = []] = await this.#connections.query('SELECT spent FROM mirror WHERE id = $1', [id]);
    return spentIn(readSlots(text(spent)), at);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

/** What a process that is put to sleep has locked is free before its lease ends: another is to take over then. */
const brief = 'SET LOCAL idle_in_transaction_session_timeout = 5000';
const endFollowing = 'DELETE FROM mirror_followed WHERE mirror_id = $1 AND message_id = ANY ($2::text[])';
const columns =
  'id, name, account_id, url, sealed_key, requests_per_minute, since_ms, created_at, pause_reason, paused_at, last_check';

function readMirror(row: Row): Mirror {
  const [id, name, account, from, sealedKey, limit, sinceMs, createdAt, reason, pausedAt, check] = row;
  const pause = optional(reason, text);
  const lastCheck = readCheck(optional(check, text) ?? 'null');
  return {
    id: integer(id),
    name: text(name),
    account: integer(account),
    from: text(from),
    sealedKey: text(sealedKey),
    requestsPerMinute: integer(limit),
    sinceMs: integer(sinceMs),
    createdAt: integer(createdAt),
    ...(pause !== undefined && { pause: { reason: pause, at: integer(pausedAt) } }),
    ...(lastCheck !== undefined && { lastCheck }),
  };
}

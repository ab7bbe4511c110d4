import { randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { EpochMs } from '../../../domain/message.ts';
import { Unusable } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { bigints, integers, smallints } from '../../../postgres/arrays.ts';
import { integer, type Row, truth } from '../../../postgres/cells.ts';
import { accountLockKey, lockKey } from '../../../postgres/locks.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { refuseUnaware } from '../layout/spreading.ts';
import type { Database } from '../log/database.ts';
import type { Partitions, Range } from '../log/partitions.ts';
import { type Place, placeIn } from '../rows/log-row.ts';
import { accountOf, type Slice } from '../rows/slices.ts';
import { isOnCitus } from '../schema/citus.ts';
import { givingWay, waitBriefly } from '../schema/table-parts.ts';
import type { Sealing } from '../sealed/sealed-blocks.ts';
import { blockOf, type NewBlock, sealedColumns, sealedIn } from '../sealed/sealed-rows.ts';
import { giveBackRoom } from './room.ts';

/** One step; writing a table anew takes the longest. */
const statementMsMax = 60_000;
/** Messages that are sealed by one transaction: recordings of their account wait for it. */
const messagesAtOnce = 2_048;
/** Longer than any process goes by what it knows of the layouts, see `Layouts`. */
const announcedMs = limits.layoutAgeMs + 1_000;
/** A partition that takes more, and holds few rows after sealing, is made small again. */
const looseBytesMin = 1 << 20;

export type SealerOptions = {
  /** How long it is announced to all processes where blocks may be from now on. */
  readonly announceMs?: number;
  /** Of an account with fewer messages in a partition they stay rows. */
  readonly messagesMin?: number;
  /** A larger partition is not written anew when it is sealed. */
  readonly rewrittenBytesMax?: number;
};

/** What was made of one look at all partitions. */
export type SealingOutcome = { readonly messages: number; readonly blocks: number };

/**
 * Moves the messages of partitions that are over into blocks. One process at a time does. A message is deleted and its block
 * added by one transaction, so that whoever looks finds it in the one or the other; it may end at any moment, and goes on
 * where it ended.
 */
export class Sealer {
  readonly #database: Database;
  readonly #partitions: Partitions;
  readonly #announceMs: number;
  readonly #messagesMin: number;
  readonly #rewrittenBytesMax: number | undefined;
  /** Partitions by their names that have been sealed. */
  readonly #done = new Set<string>();
  readonly #stopping = new AbortController();

  constructor(database: Database, partitions: Partitions, options: SealerOptions = {}) {
    const { announceMs = announcedMs, messagesMin = limits.blockMessagesMin } = options;
    this.#database = database;
    this.#partitions = partitions;
    this.#announceMs = announceMs;
    this.#messagesMin = messagesMin;
    this.#rewrittenBytesMax = options.rewrittenBytesMax;
  }

  /** What is under way is broken off, as it may be at any moment. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Aborted by `stop`. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * Seals what lies in partitions that end by a moment, and after `since`. Rejects with `Unusable` where some process would
   * miss it.
   */
  async sealBefore(until: EpochMs, since: EpochMs = -Infinity): Promise<SealingOutcome> {
    const sealed = { messages: 0, blocks: 0 };
    try {
      const work = (session: Session) => this.#sealIn(session, until, since, sealed);
      await this.#database.apart(statementMsMax, work, this.#stopping.signal);
    } catch (error) {
      if (!this.#stopped) throw error;
    }
    return sealed;
  }

  async #sealIn(session: Session, until: EpochMs, since: EpochMs, sealed: { messages: number; blocks: number }) {
    if (await isOnCitus(session)) throw new Unusable('messages cannot be sealed on Citus');
    const [[mine] = []] = await session.query(`SELECT pg_try_advisory_lock(${lockKey('sealing')})`);
    if (!truth(mine)) return;
    const ranges = (await this.#partitions.ofMessages(session)).filter(
      ({ name, to }) => to <= until && to > since && !this.#done.has(name),
    );
    const newest = ranges.at(-1);
    if (newest === undefined) return;
    const sealing = await this.#announce(session, newest.to);
    for (const range of ranges) {
      if (!(await isEmptied(session, range.name))) {
        const { messages, blocks } = await this.#seal(session, sealing, range);
        sealed.messages += messages;
        sealed.blocks += blocks;
        if (this.#stopped) return;
        await this.#makeSmall(session, range.name);
      }
      this.#done.add(range.name);
    }
  }

  async #announce(session: Session, until: EpochMs): Promise<Sealing> {
    const known = await sealingIn(session);
    if (known !== undefined && known.until >= until) {
      await this.#wait(session);
      return known;
    }
    if (known === undefined) {
      await refuseUnaware(session, 'knowsBlocks', 'blocks');
      await session.query('INSERT INTO sealing (seed, until_sent_at) VALUES ($1, $2)', [randomInt(2 ** 31), until]);
      await session.query(`UPDATE migration SET breaking = true WHERE name IN ('blocks', 'block frames')`);
    } else await session.query('UPDATE sealing SET until_sent_at = $1, announced_at = clock_timestamp()', [until]);
    await this.#wait(session);
    if (known === undefined) await refuseUnaware(session, 'knowsBlocks', 'blocks');
    const sealing = await sealingIn(session);
    if (sealing === undefined) throw new Error('what was announced is not there');
    return sealing;
  }

  async #wait(session: Session): Promise<void> {
    const left = `SELECT ceil(extract(epoch FROM announced_at - clock_timestamp()) * 1000)::bigint FROM sealing`;
    for (;;) {
      const [[ms] = []] = await session.query(left);
      const leftMs = integer(ms) + this.#announceMs;
      if (leftMs <= 0 || this.#stopped) return;
      await setTimeout(Math.min(leftMs, 250));
    }
  }

  async #seal(session: Session, sealing: Sealing, range: Range & { readonly name: string }): Promise<SealingOutcome> {
    let [messages, blocks, isReady] = [0, 0, false];
    for (let slice = await nextSlice(session, range.name, -1); slice !== undefined; ) {
      let behind = await newestSealed(session, slice, range);
      while (!this.#stopped) {
        const rows = await rowsBehind(session, slice, range, behind);
        const last = rows.at(-1);
        if (last === undefined || rows.length < this.#messagesMin) break;
        if (!isReady) await this.#partitions.ensureBlocks(range);
        isReady = true;
        const made = blocksOf(sealing.seed, slice, rows);
        if (!(await keep(session, slice, rows, made))) continue;
        messages += rows.length;
        blocks += made.length;
        behind = placeIn(last);
      }
      if (this.#stopped) break;
      slice = await nextSlice(session, range.name, slice);
    }
    return { messages, blocks };
  }

  /** Gives back the room of rows that were sealed, where few are left. */
  async #makeSmall(session: Session, partition: string): Promise<void> {
    const [[bytes, many] = []] = await session.query(
      `SELECT pg_total_relation_size($1::regclass), EXISTS (SELECT FROM ${partition} OFFSET ${messagesAtOnce} LIMIT 1)`,
      [partition],
    );
    if (integer(bytes) < looseBytesMin || truth(many)) return;
    await giveBackRoom(this.#database, session, partition, this.stopping, this.#rewrittenBytesMax);
  }
}

async function sealingIn(session: Session): Promise<Sealing | undefined> {
  const [row] = await session.query('SELECT s.seed, s.until_sent_at FROM sealing s');
  return row === undefined ? undefined : { seed: integer(row[0]), until: integer(row[1]) };
}

async function nextSlice(session: Session, partition: string, after: Slice): Promise<Slice | undefined> {
  const [row] = await session.query(
    `SELECT m.account_id FROM ${partition} m WHERE m.account_id > $1 ORDER BY m.account_id LIMIT 1`,
    [after],
  );
  return row === undefined ? undefined : integer(row[0]);
}

/** Behind it nothing of the slice is sealed: messages that came late for what is stay rows, so that no blocks overlap. */
async function newestSealed(session: Session, slice: Slice, { from, to }: Range): Promise<Place> {
  const [row] = await session.query(
    `SELECT b.sent_at, b.number FROM block b WHERE b.account_id = $1 AND b.sent_at >= $2 AND b.sent_at < $3
     ORDER BY b.sent_at DESC, b.number DESC LIMIT 1`,
    [slice, from, to],
  );
  return row === undefined ? { sentAt: from, number: -1 } : placeIn(row);
}

function rowsBehind(session: Session, slice: Slice, { to }: Range, behind: Place): Promise<readonly Row[]> {
  return session.query(
    `SELECT ${sealedColumns} FROM message m
     WHERE m.account_id = $1 AND m.sent_at >= $2 AND m.sent_at < $4 AND (m.sent_at, m.number) > ($2, $3)
     ORDER BY m.sent_at, m.number LIMIT ${messagesAtOnce}`,
    [slice, behind.sentAt, behind.number, to],
  );
}

function blocksOf(seed: number, slice: Slice, rows: readonly Row[]): readonly NewBlock[] {
  const blocks: NewBlock[] = [];
  for (let at = 0; at < rows.length; ) {
    const first = placeIn(rows[at] ?? []);
    let end = at + 1;
    const fits = (row: Row | undefined) =>
      row !== undefined &&
      placeIn(row).sentAt - first.sentAt < limits.blockSpanMsMax &&
      end - at < limits.blockMessagesMax;
    while (fits(rows[end])) end++;
    blocks.push(blockOf(seed, slice, rows.slice(at, end)));
    at = end;
  }
  return blocks;
}

/**
 * Has blocks instead of rows, unless these have changed since they were read: whether they have not. Nobody records for the
 * account meanwhile.
 */
function keep(session: Session, slice: Slice, rows: readonly Row[], blocks: readonly NewBlock[]): Promise<boolean> {
  const [first, last] = [placeIn(rows[0] ?? []), placeIn(rows.at(-1) ?? [])];
  return givingWay(async () => {
    try {
      await session.run('BEGIN');
      await waitBriefly(session);
      await session.run(`SELECT pg_advisory_xact_lock(${accountLockKey(accountOf(slice))})`);
      const deleted = await session.query(
        `DELETE FROM message m WHERE m.account_id = $1 AND m.sent_at BETWEEN $2 AND $4
           AND (m.sent_at, m.number) >= ($2, $3) AND (m.sent_at, m.number) <= ($4, $5)
         RETURNING m.number, m.state_tx`,
        [slice, first.sentAt, first.number, last.sentAt, last.number],
      );
      const stateOf = new Map(deleted.map(([number, stateTx]) => [integer(number), integer(stateTx)]));
      const isAsRead = (row: Row) => stateOf.get(placeIn(row).number) === sealedIn(row).stateTx;
      const isSound = deleted.length === rows.length && rows.every(isAsRead);
      if (isSound) for (const block of blocks) await addBlock(session, slice, block);
      await session.run(isSound ? 'COMMIT' : 'ROLLBACK');
      return isSound;
    } catch (error) {
      await session.run('ROLLBACK');
      throw error;
    }
  });
}

const newBlock: Statement = {
  name: 'new block',
  text: `INSERT INTO block (account_id, sent_at, number, oldest_sent_at, oldest_number, newest_tx, messages, keys, key_ends,
      frame_ends, frame_sent_ats, frame_numbers, bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
};

async function addBlock(session: Session, slice: Slice, block: NewBlock): Promise<void> {
  const { newest, oldest, newestTx, messages, keys, frames } = block;
  await session.query(newBlock, [
    slice,
    newest.sentAt,
    newest.number,
    oldest.sentAt,
    oldest.number,
    newestTx,
    messages,
    integers(keys),
    smallints(frames.map(({ keyEnd }) => keyEnd)),
    integers(frames.map(({ end }) => end)),
    bigints(frames.map(({ first }) => first.sentAt)),
    bigints(frames.map(({ first }) => first.number)),
    Buffer.concat(frames.map(({ bytes }) => bytes)),
  ]);
}

/** Whether there is nothing to be done for it. */
async function isEmptied(session: Session, partition: string): Promise<boolean> {
  const [[isSmall, holdsAny] = []] = await session.query(
    `SELECT pg_total_relation_size($1::regclass) < ${looseBytesMin}, EXISTS (SELECT FROM ${partition})`,
    [partition],
  );
  return truth(isSmall) && !truth(holdsAny);
}

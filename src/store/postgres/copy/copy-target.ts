import { valuesOf } from '../../../domain/filter.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { asOpeningFailure } from '../../../postgres/failure.ts';
import { migrate } from '../../../postgres/migrate.ts';
import type { StoreObserver } from '../../store.ts';
import type { WholeMessage } from '../../whole-message.ts';
import { Layouts } from '../layout/layouts.ts';
import { foundInOlderSlices } from '../layout/older-slices.ts';
import { Database } from '../log/database.ts';
import { Partitions } from '../log/partitions.ts';
import { Watermark } from '../log/watermark.ts';
import { Misplaced, misplacedMax, neverSettled, takeNumbers } from '../record/record-group.ts';
import type { Recorders } from '../record/recording-transaction.ts';
import type { Slice } from '../rows/slices.ts';
import { distribute } from '../schema/citus.ts';
import { Sums } from '../summary/sums.ts';
import { type Copied, copyGroup, type CopyGroup as SliceGroup, storedOf } from './copy-group.ts';
import type { Stored } from './whole-messages.ts';

export type CopyTargetOptions = {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly schema: string;
  /** The `sentAt` that a new partition spans. */
  readonly partitionMs: number;
  readonly observer: StoreObserver;
};

/** Two thousand messages with their reports, on a server that is busy with others. */
const statementMsMax = 60_000;

/** Messages of one account in the order they were recorded, at most `limits.copyRecordsMax`. */
export type CopyGroup = { readonly account: AccountId; readonly messages: readonly WholeMessage[] };

/** What became of the messages of a group. */
export type Added = Copied & { readonly alreadyThere: number };

/** A log in a PostgreSQL database, to copy messages into as they are. Others may record into it meanwhile. */
export class CopyTarget {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #recorders: Recorders;

  private constructor(recorders: Recorders, layouts: Layouts) {
    this.#database = recorders.database;
    this.#layouts = layouts;
    this.#recorders = recorders;
  }

  /** Makes the tables if need be. Rejects as `openPostgresStore` does when the database cannot be used. */
  static async open({ url, schema, partitionMs, observer }: CopyTargetOptions): Promise<CopyTarget> {
    const pools = { readersMax: 1, recordersMax: 1 };
    const { databaseAnswerMsMax: answerMsMax } = limits;
    const database = new Database({ url, schema, ...pools, statementTimeoutMs: statementMsMax, answerMsMax, observer });
    try {
      await migrate({ url, schema }, note => observer.note(note));
      await distribute({ url, schema }, note => observer.note(note), 'added');
      const partitions = new Partitions(database, partitionMs, note => observer.note(note));
      const layouts = new Layouts(database);
      await Promise.all([layouts.refresh(), partitions.refresh()]);
      const sums = new Sums(database, new Watermark(database), note => observer.note(note));
      return new CopyTarget({ database, partitions, sums, aside: wait => wait() }, layouts);
    } catch (error) {
      await database.close();
      throw asOpeningFailure(error);
    }
  }

  /**
   * See `copyGroup`. Groups come one after the other: messages are numbered in the order of the calls, and what is
   * there after a stop at any moment is whole groups, all that came before some call; of an account that is spread,
   * besides what of the next group was for some of the slices.
   */
  async add({ account, messages }: CopyGroup, sentSince: EpochMs): Promise<Added> {
    const left = numbered(messages, await takeNumbers(this.#database));
    let [copied, completed] = [0, 0];
    for (let tries = 1; left.size > 0; tries++) {
      try {
        for (const group of await this.#led(account, left, sentSince)) {
          const done = await copyGroup(this.#recorders, group, sentSince);
          copied += done.copied;
          completed += done.completed;
          for (const id of group.wanted.keys()) left.delete(id);
        }
      } catch (error) {
        if (!(error instanceof Misplaced)) throw error;
        if (tries === misplacedMax) throw neverSettled();
        await this.#layouts.refresh();
      }
    }
    return { copied, completed, alreadyThere: messages.length - copied - completed };
  }

  /** What stands under these ids, by id: all of it at one moment. */
  async read(
    account: AccountId,
    messageIds: readonly string[],
    sentSince: EpochMs,
  ): Promise<ReadonlyMap<string, WholeMessage>> {
    const begin = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY';
    return this.#layouts.reading(async placement => {
      const asked = placement.asked({ account, filter: { messageId: messageIds } });
      return this.#database.transaction(begin, async session => {
        const found = new Map<string, WholeMessage>();
        for (const { account: slice, filter } of asked) {
          const ids = valuesOf(filter, 'messageId') ?? [];
          for (const [id, { message }] of await storedOf(
            {
              session,
              account: slice,
              damage: this.#database.damage,
              keysAreFolded: placement.sealing !== undefined,
            },
            ids,
            sentSince,
          ))
            found.set(id, message);
        }
        return found;
      });
    });
  }

  /** By the slices where the messages are, or would be. */
  async #led(
    account: AccountId,
    wanted: ReadonlyMap<string, Stored>,
    sentSince: EpochMs,
  ): Promise<readonly SliceGroup[]> {
    const { placement } = this.#layouts;
    const elsewhere = await foundInOlderSlices(this.#database, placement, account, { ids: wanted.keys(), sentSince });
    const groups = new Map<string, { slice: Slice; known: boolean; layout: number; wanted: Map<string, Stored> }>();
    for (const [id, stored] of wanted) {
      const found = elsewhere.get(id);
      const way = { slice: found?.slice ?? placement.sliceFor(account, id), known: found !== undefined };
      const key = `${way.slice} ${way.known}`;
      const group = groups.get(key) ?? { ...way, layout: placement.begun, wanted: new Map() };
      groups.set(key, group);
      group.wanted.set(id, stored);
    }
    return [...groups.values()];
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** The first of each id; an id comes again when its message was past retention once. */
function numbered(messages: readonly WholeMessage[], firstNumber: number): Map<string, Stored> {
  const wanted = new Map<string, Stored>();
  for (const [i, message] of messages.entries()) {
    const { messageId, sentAt } = message.identity;
    if (!wanted.has(messageId)) wanted.set(messageId, { place: { sentAt, number: firstNumber + i }, message });
  }
  return wanted;
}

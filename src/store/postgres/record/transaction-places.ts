import type { AccountId } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import type { Load } from '../../queue-room.ts';
import { NoPartition } from '../log/partitions.ts';

/** So much of the room for what is recorded may be of one account while it waits for a partition: others need the rest. */
const share = 1 / 4;
/** What a partition takes that is only being made: until then an account may have more than its share. */
const makingMs = 1_000;

type Aside = Load & { readonly since: number };

/**
 * The places of transactions that record, so many at a time. Whoever waits for a partition leaves its place to others
 * meanwhile, and has one again before it goes on.
 */
export class TransactionPlaces {
  readonly #max: number;
  /** Hears that a place is free. */
  readonly #freed: () => void;
  #taken = 0;
  readonly #returning: (() => void)[] = [];
  readonly #asideOf = new Map<AccountId, Aside>();

  constructor(max: number, freed: () => void) {
    this.#max = max;
    this.#freed = freed;
  }

  get areTaken(): boolean {
    return this.#taken >= this.#max;
  }

  take(): void {
    this.#taken++;
  }

  /** It goes to who had one before, or else to who comes next. */
  leave(): void {
    const next = this.#returning.shift();
    if (next !== undefined) return next();
    this.#taken--;
    this.#freed();
  }

  /**
   * Leaves the place for as long as `wait` takes. Rejects with `NoPartition` when too much of the account waits already, and
   * has for longer than a partition takes to be made.
   */
  async aside(account: AccountId, load: Load, wait: () => Promise<void>): Promise<void> {
    const others = this.#asideOf.get(account);
    const isBeyond = others !== undefined && isBeyondShare(sum([others, load]));
    if (isBeyond && leftMs(others) <= 0) throw beyondShare();
    this.#asideOf.set(account, { ...sum([others ?? none, load]), since: others?.since ?? performance.now() });
    this.leave();
    try {
      await (isBeyond ? unlessLong(wait(), leftMs(others)) : wait());
    } finally {
      const { records, chars, since } = this.#asideOf.get(account) ?? { ...load, since: 0 };
      if (records === load.records) this.#asideOf.delete(account);
      else this.#asideOf.set(account, { records: records - load.records, chars: chars - load.chars, since });
      await this.#return();
    }
  }

  hasAside(account: AccountId): boolean {
    return this.#asideOf.has(account);
  }

  /** How many of these may wait behind what waits for a partition, in their order. */
  fitting(account: AccountId, loads: readonly Load[]): number {
    const aside = this.#asideOf.get(account);
    if (aside === undefined || leftMs(aside) > 0) return loads.length;
    let all: Load = aside;
    for (const [i, load] of loads.entries()) {
      all = sum([all, load]);
      if (isBeyondShare(all)) return i;
    }
    return loads.length;
  }

  async #return(): Promise<void> {
    if (this.areTaken) return new Promise<void>(resolve => this.#returning.push(resolve));
    this.take();
  }
}

export function beyondShare(): NoPartition {
  return new NoPartition('as much of the account as may be waits for a partition that is missing');
}

function leftMs({ since }: Aside): number {
  return since + makingMs - performance.now();
}

async function unlessLong(waiting: Promise<void>, ms: number): Promise<void> {
  const { promise: isLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(beyondShare()), ms);
  try {
    await Promise.race([waiting, isLong]);
  } finally {
    clearTimeout(timer);
  }
}

const none: Load = { records: 0, chars: 0 };

export function sum(loads: readonly Load[]): Load {
  return loads.reduce((all, one) => ({ records: all.records + one.records, chars: all.chars + one.chars }), none);
}

function isBeyondShare({ records, chars }: Load): boolean {
  return records > limits.queuedRecordsMax * share || chars > limits.queuedCharsMax * share;
}

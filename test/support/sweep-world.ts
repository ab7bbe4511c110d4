import { onTestFinished } from 'vitest';
import { ClockFile } from '../../src/store/embedded/files/clock-file.ts';
import type { Store } from '../../src/store/store.ts';
import { type SweepClock, Sweeper } from '../../src/sweeper.ts';
import { hourMs, recordNumbered, SqliteLog } from './sqlite-log.ts';

export const dayMs = 24 * hourMs;
export const retentionMs = 2 * dayMs;

/** A log of 200 messages of the last minutes, and a clock that goes as it is told. */
export class World {
  nowMs = 1_800_000_000_000;
  monotonicMs = 5000;
  readonly notes: string[] = [];
  /** How long accounts keep theirs that have a time of their own. */
  ownMs: ReadonlyMap<number, number> = new Map();
  readonly #log = new SqliteLog();
  #store: Store | undefined;

  get dataDir(): string {
    return this.#log.dataDir;
  }

  async open(): Promise<Store> {
    this.#store = await this.#log.open();
    return this.#store;
  }

  /** One whose clock is ahead of this world's. */
  sweeper(holdMs = dayMs, clock: SweepClock = new ClockFile(this.#log.dataDir), aheadMs = 0): Sweeper {
    const store = () => {
      if (this.#store === undefined) throw new Error('the log is not open');
      return this.#store;
    };
    return new Sweeper({
      clock,
      holdMs,
      shortestRetentionMs: () => Math.min(retentionMs, ...this.ownMs.values()),
      wouldDrop: sentUntil => store().wouldDrop(this.nowMs - retentionMs, this.#own(), sentUntil),
      drop: () => store().dropBefore(this.nowMs - retentionMs, this.#own()),
      now: () => this.nowMs + aheadMs,
      monotonicMs: () => this.monotonicMs,
      note: message => this.notes.push(message),
    });
  }

  #own(): ReadonlyMap<number, number> {
    return new Map(Array.from(this.ownMs, ([account, keptMs]) => [account, this.nowMs - keptMs]));
  }

  /** Time goes by, on the wall and elsewhere. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.monotonicMs += ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store?.close();
    this.#log.remove();
  }
}

export async function recorded(agoMs = 0): Promise<{ world: World; store: Store }> {
  const world = new World();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const store = await world.open();
  await recordNumbered(store, 0, 200, world.nowMs - agoMs);
  return { world, store };
}

import { limits } from '../../src/limits.ts';
import type { Store, StoreUnavailable } from '../../src/store/store.ts';

type CountedCall = Exclude<keyof Store, 'watch' | 'close' | 'batchRecords'>;

/** A store whose calls are counted and can be made to fail; it may still be opening when it is called first. */
export class WatchedStore implements Store {
  batchRecords: number = limits.batchRecordsMax;
  /** How often each call was made; a refused request must leave them as they were. */
  readonly calls: Record<CountedCall, number> = {
    record: 0,
    find: 0,
    render: 0,
    history: 0,
    changes: 0,
    summarize: 0,
    stats: 0,
    wouldDrop: 0,
    accounts: 0,
    dropBefore: 0,
  };
  readonly #opening: Promise<Store>;
  #opened: Store | undefined;
  #failure: StoreUnavailable | undefined;

  constructor(store: Store | Promise<Store>) {
    if (store instanceof Promise) this.#opening = store;
    else {
      this.#opened = store;
      this.#opening = Promise.resolve(store);
    }
  }

  /** From now on every call rejects with `failure`; `undefined` makes the store serve again. */
  failWith(failure: StoreUnavailable | undefined): void {
    this.#failure = failure;
  }

  /** All calls together. */
  get callCount(): number {
    return Object.values(this.calls).reduce((sum, count) => sum + count, 0);
  }

  async record(batch: Parameters<Store['record']>[0]) {
    return (await this.#admit('record')).record(batch);
  }

  async find(query: Parameters<Store['find']>[0]) {
    return (await this.#admit('find')).find(query);
  }

  async render(...args: Parameters<Store['render']>) {
    return (await this.#admit('render')).render(...args);
  }

  async history(...args: Parameters<Store['history']>) {
    return (await this.#admit('history')).history(...args);
  }

  async changes(query: Parameters<Store['changes']>[0]) {
    return (await this.#admit('changes')).changes(query);
  }

  watch(...args: Parameters<Store['watch']>) {
    if (this.#opened !== undefined) return this.#opened.watch(...args);
    // In time for whatever is recorded: that waits for the store as well.
    const watch = this.#opening.then(store => store.watch(...args));
    return () => void watch.then(end => end());
  }

  async summarize(...args: Parameters<Store['summarize']>) {
    return (await this.#admit('summarize')).summarize(...args);
  }

  async stats() {
    return (await this.#admit('stats')).stats();
  }

  async wouldDrop(...asked: Parameters<Store['wouldDrop']>) {
    return (await this.#admit('wouldDrop')).wouldDrop(...asked);
  }

  async *accounts() {
    yield* (await this.#admit('accounts')).accounts();
  }

  async dropBefore(sentAt: number, own?: ReadonlyMap<number, number>) {
    return (await this.#admit('dropBefore')).dropBefore(sentAt, own);
  }

  async close() {
    await (await this.#opening).close();
  }

  async #admit(call: CountedCall): Promise<Store> {
    this.calls[call]++;
    this.#opened ??= await this.#opening;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#opened;
  }
}

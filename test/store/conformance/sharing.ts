import type { AccountId } from '../../../src/domain/message.ts';
import type { Store } from '../../../src/store/store.ts';
import { OwnAccounts, ownNumbers } from '../../support/own-accounts.ts';
import type { EngineHints, OpenEngine, OpenedEngine } from './engine.ts';

/** Those that cases on shared stores record for: no two cases the same. */
export const sharedAccounts: readonly AccountId[] = Array.from({ length: 1000 }, (_, i) => 1000 + i);

/** A case gets the store of the greatest of these that it allows: smaller segments than asked for, never larger ones. */
const segmentSizes = [250, 40, 15, 5, 2];

/** What a case may do on a store that it shares; whatever concerns the whole of a store takes one of its own. */
export type SharedEngine = Omit<OpenedEngine, 'close'> & {
  /** The store as another case's reopening left it. */
  current(): Store;
};

/** The stores that the cases of a suite share. Each case has accounts of its own there, and finds nothing of the others. */
export class SharedStores {
  readonly #openEngine: OpenEngine;
  readonly #opened = new Map<number | undefined, Shared>();
  readonly #unused = sharedAccounts.values();

  constructor(openEngine: OpenEngine) {
    this.#openEngine = openEngine;
  }

  /** For one case. Its account numbers stand for others, so that those it chooses may be the same in every case. */
  async engine({ segmentMessagesMax: asked }: EngineHints): Promise<SharedEngine> {
    const segmentMessagesMax = asked === undefined ? undefined : (segmentSizes.find(size => size <= asked) ?? asked);
    const shared = await this.#sharing(segmentMessagesMax);
    const own = ownNumbers(this.#unused);
    return {
      store: new OwnAccounts(shared.store, own),
      current: () => new OwnAccounts(shared.store, own),
      reopen: async () => {
        shared.store = await shared.engine.reopen();
        return new OwnAccounts(shared.store, own);
      },
    };
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled([...this.#opened.values()].map(({ engine }) => engine.close()));
    const failures = closed.flatMap(one => (one.status === 'rejected' ? [one.reason] : []));
    if (failures.length > 0) throw new AggregateError(failures, failures.join('\n'));
  }

  async #sharing(segmentMessagesMax: number | undefined): Promise<Shared> {
    const found = this.#opened.get(segmentMessagesMax);
    if (found !== undefined) return found;
    const hints = segmentMessagesMax === undefined ? {} : { segmentMessagesMax };
    const engine = await this.#openEngine({ ...hints, accounts: sharedAccounts });
    const shared = { engine, store: engine.store };
    this.#opened.set(segmentMessagesMax, shared);
    return shared;
  }
}

type Shared = { readonly engine: OpenedEngine; store: Store };

import type { AccountId, MessageHistory } from '../../../src/domain/message.ts';
import type { Summary } from '../../../src/domain/summary.ts';
import type {
  Changes,
  ChangesQuery,
  Dropping,
  Page,
  Query,
  RecordBatch,
  RecordOutcome,
  RenderedPage,
  Store,
  StoreStats,
  SummaryQuery,
} from '../../../src/store/store.ts';
import type { LogForm } from '../../../src/wire/text/log-text.ts';
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
    const accounts = new Map<AccountId, AccountId>();
    const own = (account: AccountId): AccountId => {
      const found = accounts.get(account) ?? this.#unused.next().value;
      if (found === undefined) throw new Error('the accounts for cases are used up: there must be more');
      accounts.set(account, found);
      return found;
    };
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

/** A store whose accounts go by other numbers. */
class OwnAccounts implements Store {
  readonly #store: Store;
  readonly #own: (account: AccountId) => AccountId;

  constructor(store: Store, own: (account: AccountId) => AccountId) {
    this.#store = store;
    this.#own = own;
  }

  record(batch: RecordBatch): Promise<RecordOutcome> {
    return this.#store.record(this.#renumbered(batch));
  }

  find(query: Query): Promise<Page> {
    return this.#store.find(this.#renumbered(query));
  }

  render(query: Query, form: LogForm): Promise<RenderedPage> {
    return this.#store.render(this.#renumbered(query), form);
  }

  history(account: AccountId, messageId: string, sentSince: number): Promise<MessageHistory | undefined> {
    return this.#store.history(this.#own(account), messageId, sentSince);
  }

  changes(query: ChangesQuery): Promise<Changes> {
    return this.#store.changes(this.#renumbered(query));
  }

  watch(account: AccountId, wake: () => void): () => void {
    return this.#store.watch(this.#own(account), wake);
  }

  summarize(query: SummaryQuery): Promise<Summary> {
    return this.#store.summarize(this.#renumbered(query));
  }

  stats(): Promise<StoreStats> {
    return refused();
  }

  wouldDrop(): Promise<Dropping> {
    return refused();
  }

  dropBefore(): Promise<void> {
    return refused();
  }

  close(): Promise<void> {
    return refused();
  }

  #renumbered<T extends { readonly account: AccountId }>(asked: T): T {
    return { ...asked, account: this.#own(asked.account) };
  }
}

function refused(): never {
  throw new Error('other cases share this store: take one of your own, by ownEngineFor');
}

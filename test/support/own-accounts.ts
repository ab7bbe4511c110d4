import type { AccountId, MessageHistory } from '../../src/domain/message.ts';
import type { Summary } from '../../src/domain/summary.ts';
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
} from '../../src/store/store.ts';
import type { LogForm } from '../../src/wire/text/log-text.ts';

/** What stands for each account: the next of those that nobody has used, and always the same. */
export function ownNumbers(unused: Iterator<AccountId>): (account: AccountId) => AccountId {
  const accounts = new Map<AccountId, AccountId>();
  return account => {
    const known = accounts.get(account);
    if (known !== undefined) return known;
    const next = unused.next();
    if (next.done === true) throw new Error('the accounts of the tests are used up: there must be more');
    accounts.set(account, next.value);
    return next.value;
  };
}

/** A store that others share, whose accounts go by other numbers there. It is closed by whoever opened it. */
export class OwnAccounts implements Store {
  readonly #store: Store;
  readonly #own: (account: AccountId) => AccountId;

  constructor(store: Store, own: (account: AccountId) => AccountId) {
    this.#store = store;
    this.#own = own;
  }

  get batchRecords(): number {
    return this.#store.batchRecords;
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

  accounts(): AsyncIterable<Iterable<AccountId>> {
    throw new Error('a store that others share tells of all accounts');
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

import type { AccountId } from '../domain/message.ts';
import type { GraphBody } from '../graph/bodies.ts';
import type { GraphAnswer } from '../graph/outcomes.ts';
import type { SimulatedMeta } from '../simulator/meta.ts';
import type { Carrier, Page, Pages } from './carrier.ts';

/** Carries messages to a simulated Meta in this process, and no further. */
export class SimulatedCarrier implements Carrier {
  /** What was on its way ends with the process: nobody can have got it. */
  readonly outlivesProcess = false;
  readonly #meta: SimulatedMeta;
  readonly #accounts = new Map<string, AccountId[]>();

  constructor(meta: SimulatedMeta) {
    this.#meta = meta;
  }

  /** Which accounts have sent over each page: what happens there is theirs to hear. */
  get accounts(): ReadonlyMap<string, readonly AccountId[]> {
    return this.#accounts;
  }

  /** Nothing was ever sent. */
  reset(): void {
    this.#accounts.clear();
  }

  async send(account: AccountId, page: Page, body: GraphBody): Promise<GraphAnswer> {
    const known = this.#accounts.get(page.id) ?? [];
    if (!known.includes(account)) this.#accounts.set(page.id, [...known, account]);
    const { clock, terms } = this.#meta;
    const reply = this.#meta.send(page.id, body);
    if (terms.answerMs > 0) await new Promise<void>(resolve => clock.set(clock.now() + terms.answerMs, resolve));
    switch (reply.kind) {
      case 'refused':
        return { kind: 'unreachable', reason: 'the simulated Meta takes no connection' };
      case 'lost':
        return { kind: 'lost', reason: 'the simulated Meta lost its answer' };
      case 'answer':
        return { ...reply, kind: 'response', text: JSON.stringify(reply.body) };
    }
  }
}

/** Every sender is a page: nothing has to be set up to try it. */
export const anyPage: Pages = {
  page: async (_account, sender) => ({ id: sender, version: '' }),
  hasAny: async () => true,
  watchers: async () => new Map(),
};

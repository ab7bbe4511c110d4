import type { AccountId } from '../domain/message.ts';
import type { GraphBody } from '../graph/bodies.ts';
import type { GraphAnswer } from '../graph/outcomes.ts';
import type { PageKeys, Senders } from '../senders/senders.ts';
import type { Carrier, Page, Pages } from './carrier.ts';
import { GraphCalls, type GraphPlace } from './graph-calls.ts';

/** The pages of the accounts, as senders are set up. */
export function configuredPages(senders: Senders): Pages {
  return {
    page: async (account, sender) => {
      const found = await senders.find(account, sender);
      if (found?.sealedToken === undefined) return undefined;
      const { page: id, price, changedAt } = found;
      return { id, version: String(changedAt), ...(price !== undefined && { price }) };
    },
    hasAny: async account =>
      (await senders.known()).some(one => one.account === account && one.sealedToken !== undefined),
    watchers: () => senders.watchers(),
  };
}

/** Carries messages to Meta's Graph API. */
export class GraphCarrier implements Carrier {
  /** Meta goes on with what it has taken. */
  readonly outlivesProcess = true;
  readonly #calls: GraphCalls;
  readonly #senders: Pick<Senders, 'find' | 'keys'>;

  constructor(calls: GraphCalls, senders: Pick<Senders, 'find' | 'keys'>) {
    this.#calls = calls;
    this.#senders = senders;
  }

  async send(account: AccountId, { id }: Page, body: GraphBody): Promise<GraphAnswer> {
    let keys: PageKeys;
    try {
      const sender = await this.#senders.find(account, id);
      if (sender === undefined) return { kind: 'unreachable', reason: 'the sender was removed' };
      keys = this.#senders.keys(sender);
    } catch (error) {
      // Nothing was sent: the database may come back, and the secret that the token was sealed under be given again.
      return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
    }
    return this.#calls.call({ method: 'POST', path: `${id}/messages`, keys, body: JSON.stringify(body) });
  }

  giveUp(): void {
    this.#calls.giveUp();
  }
}

/** Whether a page can be reached with its token; why not, otherwise. */
export async function checkPage(place: GraphPlace, page: string, keys: PageKeys): Promise<string | undefined> {
  const calls = new GraphCalls(place);
  try {
    const answer = await calls.call({ method: 'GET', path: page, query: 'fields=id,name&', keys });
    if (answer.kind !== 'response') return `no connection: ${answer.reason}`;
    const { httpStatus, text } = answer;
    return httpStatus === 200 ? undefined : `HTTP ${httpStatus}: ${text.slice(0, 300)}`;
  } finally {
    calls.close();
  }
}

import { createHmac } from 'node:crypto';
import type { AccountId } from '../domain/message.ts';
import { Unusable } from '../failures.ts';
import type { GraphBody } from '../graph/bodies.ts';
import type { GraphAnswer } from '../graph/outcomes.ts';
import type { PageKeys, Senders } from '../senders/senders.ts';
import type { Carrier, Page, Pages } from './carrier.ts';

export type GraphPlace = { readonly url: string; readonly version: string };

/** Meta fetches media for up to 75 seconds before it answers. */
const answerMsMax = 90_000;
const answerBytesMax = 256 * 1024;

/** Failures before a connection stood: no byte of the request has left. */
const beforeConnecting =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|UNABLE_TO_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+)$/;

/** The pages of the accounts, as senders are set up. */
export function configuredPages(senders: Senders): Pages {
  return {
    page: async (account, sender) => {
      const found = (await senders.known()).find(one => one.account === account && one.page === sender);
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
  readonly #place: GraphPlace;
  readonly #senders: Senders;
  readonly #giving = new AbortController();

  constructor(place: GraphPlace, senders: Senders) {
    this.#place = place;
    this.#senders = senders;
  }

  async send(account: AccountId, page: Page, body: GraphBody): Promise<GraphAnswer> {
    const sender = (await this.#senders.known()).find(one => one.account === account && one.page === page.id);
    if (sender === undefined) return { kind: 'unreachable', reason: 'the sender was removed' };
    let keys: PageKeys;
    try {
      keys = this.#senders.keys(sender);
    } catch (error) {
      // Nothing was sent: the secret that the token was sealed under may be given again.
      if (!(error instanceof Unusable)) throw error;
      return { kind: 'unreachable', reason: error.message };
    }
    return postToGraph(this.#place, page.id, keys, body, this.#giving.signal);
  }

  giveUp(): void {
    this.#giving.abort(new Error('the server stops'));
  }
}

/** One call of `POST /{page}/messages`. The token goes in a header, so that it stands in no log of addresses. */
async function postToGraph(
  { url, version }: GraphPlace,
  page: string,
  { token, appSecret }: PageKeys,
  body: GraphBody,
  cut: AbortSignal,
): Promise<GraphAnswer> {
  try {
    const answer = await fetch(`${url}/${version}/${page}/messages?appsecret_proof=${proofOf(token, appSecret)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(answerMsMax), cut]),
    });
    const text = await textOf(answer);
    return { kind: 'response', httpStatus: answer.status, text, headers: Object.fromEntries(answer.headers) };
  } catch (error) {
    const reason = codeOf(error);
    return { kind: beforeConnecting.test(reason) ? 'unreachable' : 'lost', reason };
  }
}

/** Whether a page can be reached with its token; why not, otherwise. */
export async function checkPage(place: GraphPlace, page: string, keys: PageKeys): Promise<string | undefined> {
  const query = `fields=id,name&appsecret_proof=${proofOf(keys.token, keys.appSecret)}`;
  try {
    const answer = await fetch(`${place.url}/${place.version}/${page}?${query}`, {
      headers: { authorization: `Bearer ${keys.token}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(answerMsMax),
    });
    const text = await textOf(answer);
    return answer.ok ? undefined : `HTTP ${answer.status}: ${text.slice(0, 300)}`;
  } catch (error) {
    return `no connection: ${codeOf(error)}`;
  }
}

function proofOf(token: string, appSecret: string): string {
  return createHmac('sha256', appSecret).update(token).digest('hex');
}

async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > answerBytesMax) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** `fetch` tells the failure of a connection as the cause of its own. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0]);
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return String(cause);
}

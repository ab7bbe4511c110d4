import { errorOf, isRecord } from '../../../src/client/errors.ts';
import { ConnectionError, UnexpectedAnswer } from '../../../src/client/index.ts';
import { heard } from './server-clock.ts';

/** What the server has for whoever has signed in. */
export type Offers = {
  readonly access: boolean;
  /** All accounts, and the making of further ones. */
  readonly accounts: boolean;
  readonly sources: boolean;
  readonly senders: boolean;
  readonly sending: boolean;
  readonly emulator: boolean;
};

/**
 * Shown by each call of the page: it says that the call is the page's own. The credential itself is in a cookie that no
 * script can read, and opens nothing without this; this is in memory alone, and opens nothing without the cookie.
 */
export type Pass = {
  readonly text: string;
  readonly untilMs: number;
  readonly account: string;
  /** How far back the account's log goes. */
  readonly retentionMs: number;
  readonly offers: Offers;
};

type Answer = { readonly pass: string; readonly expiresIn: number; readonly retention: number } & Pick<
  Pass,
  'account' | 'offers'
>;

export const pageInit = { cache: 'no-store', credentials: 'same-origin', redirect: 'error' } as const;
export const passHeader = 'x-sentlog-page';

const endMsMax = 3000;

/** Signs in with a credential, or out. Rejects as the calls of the client do. */
export async function begin(authorization: string): Promise<Pass> {
  const answer = await called({ method: 'POST', headers: { authorization } });
  if (!answer.ok) throw await errorOf(answer);
  return passIn(answer);
}

/** The account of a credential, which signs nobody in. Rejects as the calls of the client do. */
export async function accountOf(authorization: string): Promise<string> {
  const answer = await called({ method: 'POST', headers: { authorization } }, '/page/pass');
  if (!answer.ok) throw await errorOf(answer);
  return (await passIn(answer)).account;
}

/** Who is signed in already, as a cookie tells; `undefined` when nobody is. */
export async function resumed(): Promise<Pass | undefined> {
  const answer = await called({ headers: { [passHeader]: 'none yet' } });
  if (answer.status === 204) return undefined;
  if (!answer.ok) throw await errorOf(answer);
  return passIn(answer);
}

/** Rejects when the server could not be told within a few seconds: the cookie is there still. */
export async function end(): Promise<void> {
  const signal = AbortSignal.timeout(endMsMax);
  const answer = await called({ method: 'DELETE', headers: { [passHeader]: 'no more' }, signal });
  if (!answer.ok) throw await errorOf(answer);
}

async function called(init: RequestInit, path = '/page/session'): Promise<Response> {
  try {
    return await heard(() => fetch(path, { ...pageInit, ...init }));
  } catch (error) {
    throw new ConnectionError('no answer from the server', { cause: error });
  }
}

const offered = [
  'access',
  'accounts',
  'sources',
  'senders',
  'sending',
  'emulator',
] as const satisfies readonly (keyof Offers)[];

function isAnswer(value: unknown): value is Answer {
  if (!isRecord(value)) return false;
  const { pass, expiresIn, account, retention, offers } = value;
  return (
    [pass, account].every(one => typeof one === 'string') &&
    [expiresIn, retention].every(one => typeof one === 'number') &&
    isRecord(offers) &&
    offered.every(name => typeof offers[name] === 'boolean')
  );
}

async function passIn(answer: Response): Promise<Pass> {
  const read: unknown = await answer.json();
  if (!isAnswer(read)) throw new UnexpectedAnswer('a pass');
  const { pass, expiresIn, account, retention, offers } = read;
  // Well before it ends, so that none ends under way.
  const untilMs = performance.now() + (expiresIn * 1000) / 2;
  return { text: pass, untilMs, account, retentionMs: retention * 1000, offers };
}

import { isInTheClear } from './address.ts';
import { MirrorError } from './rows.ts';
import { describeError, errorBytesMax, reasonOf, textOf } from './upstream.ts';

export type SubscriptionTarget = {
  /** Of the other side. */
  readonly from: string;
  readonly key: string;
  /** Of the mirror. */
  readonly name: string;
  readonly fetch: typeof fetch;
};

/** Where the other side sends webhooks, and what it shows there. */
export type Webhook = { readonly url: string; readonly user: string; readonly password: string };

/** What a subscription is made of: where it is kept, and what names it there. */
type Part = { readonly path: string; readonly idName: string };
const parts = {
  security: { path: 'security', idName: 'authId' },
  profile: { path: 'profiles', idName: 'profileId' },
  /** Messenger is called `FACEBOOK` there. */
  subscription: { path: 'subscription/FACEBOOK', idName: 'subscriptionId' },
} as const satisfies Readonly<Record<string, Part>>;
const urlCharsMax = 512;
const answerMsMax = 30_000;
/** Reports in one webhook. */
const bucket = 500;

const idOf = (name: string) => `sentlog-${name}`;

/** Where a webhook of a mirror arrives at a server of this program. */
export function webhookUrl(server: string, name: string, secret: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new MirrorError(`"${server}" is not an address like https://log.example.com`, { of: 'url' });
  if (isInTheClear(url.href))
    throw new MirrorError(
      `"${server}" would have what proves a webhook told for everybody to read: it begins with https`,
      { of: 'url' },
    );
  const whole = `${url.href.replace(/\/+$/, '')}/webhooks/infobip/${encodeURIComponent(name)}/${secret}`;
  if (whole.length > urlCharsMax)
    throw new MirrorError(`the address of the webhook has more than ${urlCharsMax} characters`, { of: 'url' });
  return whole;
}

/**
 * Has the other side send its delivery and seen reports; a subscription that is there already is brought up to date.
 * Credentials and profile stand alone at the other side: of ones that exist it takes no notice of what a subscription
 * says, and they outlive it.
 */
export async function subscribe(target: SubscriptionTarget, { url, user, password }: Webhook): Promise<void> {
  const id = idOf(target.name);
  await put(target, parts.security, { type: 'BASIC', credentials: { username: user, password } });
  await put(target, parts.profile, {
    webhook: { notifyUrl: url, contentType: 'application/json' },
    security: { authId: id },
    maxBucketSize: bucket,
  });
  await put(target, parts.subscription, {
    name: `sentlog mirror ${target.name}`,
    events: ['DELIVERY', 'SEEN'],
    profile: { profileId: id },
  });
}

/** Takes the subscription back, with the address and the credentials that were for it alone; whether there was one. */
export async function unsubscribe(target: SubscriptionTarget): Promise<boolean> {
  const gone: number[] = [];
  for (const { path } of [parts.subscription, parts.profile, parts.security])
    gone.push(await call(target, 'DELETE', `${path}/${idOf(target.name)}`, undefined, [200, 204, 404]));
  return gone[0] !== 404;
}

async function put(target: SubscriptionTarget, { path, idName }: Part, said: object): Promise<void> {
  const id = idOf(target.name);
  const there = await call(target, 'GET', `${path}/${id}`, undefined, [200, 404]);
  if (there === 404) await call(target, 'POST', path, { [idName]: id, ...said }, [200, 201]);
  else await call(target, 'PUT', `${path}/${id}`, said, [200, 204]);
}

/** The status, one of `expected`. */
async function call(
  { from, key, fetch }: SubscriptionTarget,
  method: string,
  path: string,
  body: object | undefined,
  expected: readonly number[],
): Promise<number> {
  const asked = async () => {
    const response = await fetch(`${from}/subscriptions/1/${path}`, {
      method,
      headers: { authorization: `App ${key}`, accept: 'application/json', 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(answerMsMax),
    });
    return { status: response.status, said: await textOf(response, errorBytesMax) };
  };
  const { status, said } = await asked().catch(error => {
    throw new MirrorError(reasonOf(error, answerMsMax), { cause: error });
  });
  if (expected.includes(status)) return status;
  const needs = status === 403 ? '; its key needs the scope subscriptions:manage' : '';
  throw new MirrorError(`the other side answered ${status}: ${describeError(said)}${needs}`);
}

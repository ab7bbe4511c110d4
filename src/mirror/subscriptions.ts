import { isInTheClear } from './address.ts';
import { MirrorError } from './rows.ts';
import { describeError } from './upstream.ts';

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

/** Messenger, as the Subscriptions API calls it. */
const channel = 'FACEBOOK';
const urlCharsMax = 512;
const answerMsMax = 30_000;
/** Reports in one webhook. */
const bucket = 500;

const idOf = (name: string) => `sentlog-${name}`;

/** Where a webhook of a mirror arrives at a server of this program. */
export function webhookUrl(server: string, name: string, secret: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new MirrorError(`"${server}" is not an address like https://log.example.com`);
  if (isInTheClear(url.href))
    throw new MirrorError(
      `"${server}" would have what proves a webhook told for everybody to read: it begins with https`,
    );
  const whole = `${url.href.replace(/\/+$/, '')}/webhooks/infobip/${encodeURIComponent(name)}/${secret}`;
  if (whole.length > urlCharsMax)
    throw new MirrorError(`the address of the webhook has more than ${urlCharsMax} characters`);
  return whole;
}

/** Has the other side send its delivery and seen reports; a subscription that is there already is brought up to date. */
export async function subscribe(target: SubscriptionTarget, { url, user, password }: Webhook): Promise<void> {
  const subscriptionId = idOf(target.name);
  const subscription = {
    subscriptionId,
    name: `sentlog mirror ${target.name}`,
    events: ['DELIVERY', 'SEEN'],
    profile: {
      profileId: subscriptionId,
      webhook: { notifyUrl: url, contentType: 'application/json' },
      security: { authId: subscriptionId, type: 'BASIC', credentials: { username: user, password } },
      maxBucketSize: bucket,
    },
  };
  const there = await call(target, 'GET', `/${subscriptionId}`, undefined, [200, 404]);
  if (there === 404) await call(target, 'POST', '', subscription, [200, 201]);
  else await call(target, 'PUT', `/${subscriptionId}`, subscription, [200, 204]);
}

/** Takes the subscription back; whether there was one. */
export async function unsubscribe(target: SubscriptionTarget): Promise<boolean> {
  return (await call(target, 'DELETE', `/${idOf(target.name)}`, undefined, [200, 204, 404])) !== 404;
}

/** The status, one of `expected`. */
async function call(
  { from, key, fetch }: SubscriptionTarget,
  method: string,
  path: string,
  body: object | undefined,
  expected: readonly number[],
): Promise<number> {
  const response = await fetch(`${from}/subscriptions/1/subscription/${channel}${path}`, {
    method,
    headers: { authorization: `App ${key}`, accept: 'application/json', 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    redirect: 'manual',
    signal: AbortSignal.timeout(answerMsMax),
  }).catch(error => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new MirrorError(`the other side cannot be reached: ${cause}`, { cause: error });
  });
  const text = await response.text();
  if (expected.includes(response.status)) return response.status;
  const needs = response.status === 403 ? '; its key needs the scope subscriptions:manage' : '';
  throw new MirrorError(`the other side answered ${response.status}: ${describeError(text)}${needs}`);
}

import { isPlainObject } from '../src/wire/record-flaws.ts';

/** What a subscription may be of, of what the simulated Infobip tells by itself. */
export type TellableEvent = 'DELIVERY' | 'SEEN';

export type SubscriptionsAnswer = { readonly status: number; readonly body: string };

type Fields = Readonly<Record<string, unknown>>;

/** A collection of the Subscriptions API: what names its items, and what is wrong with one. */
type Collection = { readonly idName: string; readonly items: Map<string, Fields>; readonly flawOf: FlawOf };
type FlawOf = (item: Fields) => Flaw | undefined;
type Flaw = readonly [field: string, why: string];

const root = '/subscriptions/1/';
const idCharsMax = 255;
const urlCharsMax = 512;
const bucketMax = 2000;
const answerMsMax = 10_000;
const events = new Set(['DELIVERY', 'SEEN', 'INBOUND_MESSAGE', 'CONSENT_UPDATE', 'CLICK']);

export const isOfSubscriptions = (target: string) => target.startsWith(root);

/**
 * The simulated Infobip's Subscriptions API, for Messenger and Basic credentials. As the vendor's `PUT` takes them, parts
 * that stand alone (profiles, credentials) are named by their ids, and outlive what they are parts of.
 */
export class SimulatedSubscriptions {
  readonly #security: Collection = { idName: 'authId', items: new Map(), flawOf: flawOfSecurity };
  readonly #profiles: Collection = {
    idName: 'profileId',
    items: new Map(),
    flawOf: profile => flawOfProfile(profile, this.#security.items),
  };
  readonly #subscriptions: Collection = {
    idName: 'subscriptionId',
    items: new Map(),
    flawOf: subscription => flawOfSubscription(subscription, this.#profiles.items),
  };
  readonly #collections: ReadonlyMap<string, Collection> = new Map([
    ['subscription/FACEBOOK', this.#subscriptions],
    ['profiles', this.#profiles],
    ['security', this.#security],
  ]);

  get size(): number {
    return [...this.#collections.values()].reduce((sum, { items }) => sum + items.size, 0);
  }

  answer(method: string, path: string, body: string): SubscriptionsAnswer {
    const [, name = '', id] = /^(subscription\/[^/]+|[^/]+)(?:\/([^/]+))?$/.exec(path.slice(root.length)) ?? [];
    const collection = this.#collections.get(name);
    if (collection === undefined) return refusal(404, 'NOT_FOUND', 'Not found');
    if (id === undefined) {
      if (method === 'GET') return page([...collection.items.values()].map(shown));
      return method === 'POST' ? create(collection, body) : refusal(404, 'NOT_FOUND', 'Not found');
    }
    const item = collection.items.get(id);
    if (item === undefined) return refusal(404, 'NOT_FOUND', 'Not found');
    if (method === 'GET') return answered(200, shown(item));
    if (method === 'PUT') return update(collection, id, body);
    return method === 'DELETE' ? this.#remove(collection, id) : refusal(404, 'NOT_FOUND', 'Not found');
  }

  /** Posts what became of messages to all who subscribed to it; the worst status of their answers, 200 where nobody did. */
  async tell(event: TellableEvent, body: string, send: typeof fetch): Promise<number> {
    let worst = 200;
    for (const { events: of, profile } of this.#subscriptions.items.values()) {
      if (!Array.isArray(of) || !of.includes(event)) continue;
      const { webhook, security } = this.#profiles.items.get(textIn(profile, 'profileId')) ?? {};
      const credentials = this.#security.items.get(textIn(security, 'authId'))?.credentials;
      const shownThere = `${textIn(credentials, 'username')}:${textIn(credentials, 'password')}`;
      const answer = await send(textIn(webhook, 'notifyUrl'), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(credentials !== undefined && { authorization: `Basic ${Buffer.from(shownThere).toString('base64')}` }),
        },
        body,
        signal: AbortSignal.timeout(answerMsMax),
      }).then(
        ({ status }) => status,
        () => 503,
      );
      worst = Math.max(worst, answer);
    }
    return worst;
  }

  #remove(collection: Collection, id: string): SubscriptionsAnswer {
    const names = (part: unknown) => textIn(part, collection.idName) === id;
    const isUsed =
      [...this.#subscriptions.items.values()].some(({ profile }) => names(profile)) ||
      [...this.#profiles.items.values()].some(({ security }) => names(security));
    if (isUsed) return refusal(400, 'BAD_REQUEST', 'Bad request', [collection.idName, 'is in use']);
    collection.items.delete(id);
    return answered(200, { [collection.idName]: id });
  }
}

function create(collection: Collection, body: string): SubscriptionsAnswer {
  const item = parsed(body);
  const id = textIn(item, collection.idName);
  const flaw = item === undefined ? notJson : (flawOfId(collection, id) ?? collection.flawOf(item));
  if (item === undefined || flaw !== undefined) return refusal(400, 'BAD_REQUEST', 'Bad request', flaw);
  collection.items.set(id, item);
  return answered(201, { [collection.idName]: id });
}

function update({ idName, items, flawOf }: Collection, id: string, body: string): SubscriptionsAnswer {
  const item = parsed(body);
  const flaw: Flaw | undefined =
    item === undefined ? notJson : idName in item ? [idName, 'cannot be changed'] : flawOf(item);
  if (item === undefined || flaw !== undefined) return refusal(400, 'BAD_REQUEST', 'Bad request', flaw);
  items.set(id, { [idName]: id, ...item });
  return answered(200, { [idName]: id });
}

const notJson: Flaw = ['body', 'must be an object of JSON'];

function flawOfId({ idName, items }: Collection, id: string): Flaw | undefined {
  if (!/^[\w.~-]+$/.test(id) || id.length > idCharsMax)
    return [idName, `must have 1 to ${idCharsMax} characters that need no URL encoding`];
  return items.has(id) ? [idName, 'is taken'] : undefined;
}

function flawOfSecurity({ type, credentials }: Fields): Flaw | undefined {
  if (type !== 'BASIC') return ['type', 'is simulated for BASIC alone'];
  const isWhole = textIn(credentials, 'username') !== '' && textIn(credentials, 'password') !== '';
  return isWhole ? undefined : ['credentials', 'must have username and password'];
}

function flawOfProfile({ webhook, security, maxBucketSize = 1 }: Fields, known: ReadonlyMap<string, Fields>) {
  const url = textIn(webhook, 'notifyUrl');
  const isBucket = Number.isInteger(maxBucketSize) && Number(maxBucketSize) >= 1 && Number(maxBucketSize) <= bucketMax;
  const flaws: readonly (readonly [boolean, Flaw])[] = [
    [
      !URL.canParse(url) || url.length > urlCharsMax,
      ['webhook.notifyUrl', `must be a URL of at most ${urlCharsMax} characters`],
    ],
    [!isBucket, ['maxBucketSize', `must be 1 to ${bucketMax}`]],
    [security !== undefined && !isReference(security, 'authId', known), ['security', 'must be one that is there']],
  ];
  return flaws.find(([holds]) => holds)?.[1];
}

function flawOfSubscription({ events: of, profile }: Fields, known: ReadonlyMap<string, Fields>): Flaw | undefined {
  if (!Array.isArray(of) || of.length === 0 || !of.every(one => events.has(one)))
    return ['events', `must be of ${[...events].join(', ')}`];
  return isReference(profile, 'profileId', known) ? undefined : ['profile', 'must be one that is there'];
}

/** By its id, and nothing beside it: the vendor takes no notice of what else is said of one that exists. */
function isReference(part: unknown, idName: string, known: ReadonlyMap<string, Fields>): boolean {
  return isPlainObject(part) && Object.keys(part).length === 1 && known.has(textIn(part, idName));
}

function textIn(part: unknown, name: string): string {
  const value = isPlainObject(part) ? part[name] : undefined;
  return typeof value === 'string' ? value : '';
}

function parsed(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What proves a webhook is not shown again. */
const shown = ({ credentials: _, ...item }: Fields): Fields => item;

function page(results: readonly Fields[]): SubscriptionsAnswer {
  const paging = { page: 0, size: results.length, totalPages: 1, totalResults: results.length };
  return answered(200, { results, paging });
}

const answered = (status: number, body: object): SubscriptionsAnswer => ({ status, body: JSON.stringify(body) });

function refusal(status: number, messageId: string, text: string, flaw?: Flaw): SubscriptionsAnswer {
  const validationErrors = flaw && { [flaw[0]]: [flaw[1]] };
  return answered(status, { requestError: { serviceException: { messageId, text, validationErrors } } });
}

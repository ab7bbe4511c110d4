import { Random } from '../scripts/demo/random.ts';
import type { EpochMs } from '../src/domain/message.ts';
import { parseDateTime } from '../src/wire/date-time.ts';
import { type LogQuery, SimulatedLog } from './log.ts';
import { type SimulatedMessage, shownAt } from './messages.ts';
import { isOfSubscriptions, SimulatedSubscriptions } from './subscriptions.ts';

/** How an answer leaves: as it is, cut in the middle, not at all though it was made, or byte by byte. */
export type Delivery = 'whole' | 'cut' | 'lost' | 'slow';

export type SimulatedAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly delivery: Delivery;
};

export type SimulatedRequest = {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly authorization: string | undefined;
  readonly body?: string;
};

/** Bad days, each a share of all requests of the log, 0…1. */
export type Faults = {
  readonly unavailable?: number;
  readonly cut?: number;
  readonly lost?: number;
  readonly slow?: number;
};

export type InfobipOptions = {
  readonly seed: string;
  readonly clock: () => EpochMs;
  readonly keys: readonly string[];
  /** Of the account, for all its keys. */
  readonly requestsPerMinute?: number;
  /** `place` walks exactly, `offset` counts from the top and so shifts with what comes, `none` has no cursors. */
  readonly cursors?: 'place' | 'offset' | 'none';
  readonly cursorMs?: number;
  /** One that holds nothing yet, where none is given. */
  readonly log?: SimulatedLog;
};

const idListCharsMax = 2048;
const parameters = new Set([
  'sender',
  'destination',
  'bulkId',
  'messageId',
  'generalStatus',
  'sentSince',
  'sentUntil',
  'limit',
  'entityId',
  'applicationId',
  'campaignReferenceId',
  'useCursor',
  'cursor',
]);

/**
 * The simulated Infobip's Messenger log: what it knows is in `log`, what goes wrong is in `faults`, who is to be told is in
 * `subscriptions`.
 */
export class SimulatedInfobip {
  readonly log: SimulatedLog;
  readonly subscriptions = new SimulatedSubscriptions();
  faults: Faults = {};
  /** Nothing answers at all. */
  isAway = false;
  /** What its own clock is ahead. */
  skewMs = 0;
  readonly keys: Set<string>;
  /** Every target that was asked for, in order; those that were refused for their number too. */
  readonly asked: { readonly target: string; readonly at: EpochMs; readonly status: number }[] = [];
  readonly #options: Required<Omit<InfobipOptions, 'log'>>;
  readonly #random: Random;
  #tokens: number;
  #filledAt: EpochMs;

  constructor(options: InfobipOptions) {
    const { log = new SimulatedLog(), ...others } = options;
    this.log = log;
    this.#options = { requestsPerMinute: 120, cursors: 'place', cursorMs: 300_000, ...others };
    this.#random = new Random(options.seed);
    this.keys = new Set(options.keys);
    this.#tokens = this.#options.requestsPerMinute;
    this.#filledAt = options.clock();
  }

  now(): EpochMs {
    return this.#options.clock() + this.skewMs;
  }

  add(message: SimulatedMessage): void {
    this.log.add(message);
  }

  answer(request: SimulatedRequest): SimulatedAnswer {
    const made = this.#answer(request);
    this.asked.push({ target: request.target, at: this.#options.clock(), status: made.status });
    const delivery = made.status === 200 && !isOfSubscriptions(request.target) ? this.#delivery() : 'whole';
    const date = new Date(Math.floor(this.now() / 1000) * 1000).toUTCString();
    return { ...made, delivery, headers: { date, 'content-type': 'application/json', ...made.headers } };
  }

  #answer({ method, target, authorization, body = '' }: SimulatedRequest): Omit<SimulatedAnswer, 'delivery'> {
    const url = new URL(target, 'http://simulated');
    if (url.pathname === '/messenger/1/reports') return refusal(500, 'the reports of the customer were taken');
    const isOfLog = url.pathname === '/messenger/1/logs' && method === 'GET';
    if (!isOfLog && !isOfSubscriptions(target)) return refusal(404, 'Requested resource not found.');
    if (!this.keys.has(/^App (.+)$/.exec(authorization ?? '')?.[1] ?? ''))
      return refusal(401, 'The request lacks valid authentication credentials for the requested resource.');
    if (!isOfLog) return { headers: {}, ...this.subscriptions.answer(method, url.pathname, body) };
    const retryAfter = this.#takeToken();
    if (retryAfter > 0)
      return { ...refusal(429, 'Too many requests sent.'), headers: { 'retry-after': String(retryAfter) } };
    if (this.#random.chance(this.faults.unavailable ?? 0)) return refusal(500, 'Something went wrong.');
    return this.#page(url.searchParams);
  }

  /** A bucket of a minute's requests, filled all the time; gives the seconds to wait when it is empty. */
  #takeToken(): number {
    const { clock, requestsPerMinute } = this.#options;
    const now = clock();
    const perMs = requestsPerMinute / 60_000;
    this.#tokens = Math.min(requestsPerMinute, this.#tokens + Math.max(0, now - this.#filledAt) * perMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) / perMs / 1000);
    this.#tokens -= 1;
    return 0;
  }

  #page(asked: URLSearchParams): Omit<SimulatedAnswer, 'delivery'> {
    const read = readQuery(asked);
    if (typeof read === 'string') return refusal(400, read);
    const { cursors } = this.#options;
    const walks = cursors !== 'none' && (asked.get('useCursor') === 'true' || asked.has('cursor'));
    const limit = Number(asked.get('limit') ?? 50);
    const bound = boundTo(asked);
    const from = cursors === 'none' ? {} : this.#resume(asked.get('cursor') ?? '', bound);
    if (from === undefined) return refusal(400, 'cursor: has expired or is not valid');
    const found = this.log.page(read, this.now(), limit + 1, from);
    const page = found.slice(0, limit);
    const results = page.map(message => shownAt(message, this.now()));
    const last = page.at(-1);
    if (!walks) return { status: 200, headers: {}, body: JSON.stringify({ results }) };
    const mark = cursors === 'offset' ? { skip: (from.skip ?? 0) + limit } : { after: last?.messageId };
    const text = JSON.stringify({ ...mark, bound, madeAt: this.#options.clock() });
    const nextCursor = found.length > limit ? Buffer.from(text).toString('base64url') : undefined;
    return { status: 200, headers: {}, body: JSON.stringify({ results, cursor: { limit, nextCursor } }) };
  }

  /** Where a cursor goes on; `undefined` when it has expired or belongs to another question. */
  #resume(cursor: string, bound: string): { skip?: number; after?: string } | undefined {
    if (cursor === '') return {};
    try {
      const { skip, after, bound: of, madeAt } = JSON.parse(Buffer.from(cursor, 'base64url').toString());
      const isGood = of === bound && this.#options.clock() - Number(madeAt) <= this.#options.cursorMs;
      if (!isGood) return undefined;
      return typeof after === 'string' ? { after } : { skip: Number(skip) };
    } catch {
      return undefined;
    }
  }

  #delivery(): Delivery {
    const { cut = 0, lost = 0, slow = 0 } = this.faults;
    const drawn = this.#random.next();
    if (drawn < cut) return 'cut';
    if (drawn < cut + lost) return 'lost';
    return drawn < cut + lost + slow ? 'slow' : 'whole';
  }

  /** As a program in the same process sees it, without a socket. */
  readonly fetch: typeof fetch = async (input, init) => {
    if (this.isAway) throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    const url = new URL(String(input));
    const headers = new Headers(init?.headers);
    const {
      status,
      headers: said,
      body,
      delivery,
    } = this.answer({
      method: init?.method ?? 'GET',
      target: url.pathname + url.search,
      authorization: headers.get('authorization') ?? undefined,
      ...(typeof init?.body === 'string' && { body: init.body }),
    });
    if (delivery === 'lost') throw new TypeError('fetch failed', { cause: new Error('socket hang up') });
    return new Response(delivery === 'cut' ? body.slice(0, body.length / 2) : body, { status, headers: said });
  };
}

/** A cursor is good for the question it was made for. */
function boundTo(asked: URLSearchParams): string {
  return [...asked]
    .filter(([name]) => name !== 'cursor')
    .map(pair => pair.join('='))
    .sort()
    .join('&');
}

function readQuery(asked: URLSearchParams): LogQuery | string {
  const unknown = [...asked.keys()].find(name => !parameters.has(name));
  if (unknown !== undefined) return `${unknown}: is unknown`;
  const limit = Number(asked.get('limit') ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) return 'limit: must be 1 to 1000';
  const [since, until] = [moment(asked.get('sentSince')), moment(asked.get('sentUntil'))];
  if (since === undefined || until === undefined) return 'sentSince, sentUntil: must be date-times';
  const lists: Record<string, ReadonlySet<string>> = {};
  for (const name of ['bulkId', 'messageId', 'campaignReferenceId']) {
    const text = asked.get(name);
    if (text === null) continue;
    if (name !== 'campaignReferenceId' && text.length > idListCharsMax)
      return `${name}: at most ${idListCharsMax} characters`;
    lists[name] = new Set(text.split(/(?<!\\),/).map(one => one.trim().replaceAll('\\,', ',')));
  }
  const { messageId: messageIds, ...oneOf } = lists;
  const equals: Record<string, string> = {};
  for (const name of ['sender', 'destination', 'entityId', 'applicationId']) {
    const text = asked.get(name);
    if (text !== null) equals[name] = text;
  }
  const generalStatus = asked.get('generalStatus');
  return {
    equals,
    oneOf,
    sentSince: since ?? Number.NEGATIVE_INFINITY,
    sentUntil: until ?? Number.POSITIVE_INFINITY,
    ...(messageIds !== undefined && { messageIds }),
    ...(generalStatus !== null && { generalStatus }),
  };
}

/** `null` when it is not asked for, `undefined` when it is none. */
function moment(text: string | null): EpochMs | null | undefined {
  return text === null ? null : parseDateTime(text);
}

function refusal(status: number, description: string): Omit<SimulatedAnswer, 'delivery'> {
  const body = { errorCode: `E${status}`, description, action: 'Check the request.', violations: [], resources: [] };
  return { status, headers: {}, body: JSON.stringify(body) };
}

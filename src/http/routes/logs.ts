import { type Filter, restrict } from '../../domain/filter.ts';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { type AskLog, answerIn } from '../../mirror/check/log-client.ts';
import { joined } from '../../slices.ts';
import { type Bookmark, InvalidBookmark, type RenderedPage } from '../../store/store.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { type LogsQuery, parseLogsQuery } from '../../wire/query/filter-query.ts';
import type { HeldAnswers } from '../answer/held-answers.ts';
import { release } from '../answer/release.ts';
import { whileThere } from '../caller.ts';
import { Cursors, cursorFlaw, type Walk } from '../cursor.ts';
import type { ServerDeps } from '../deps.ts';
import { invalid } from '../errors.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

export type LogsDeps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf' | 'compatibleRetentionMs' | 'cursorSecret'>;

const head = Buffer.from('{"results":[');
const emptyPage: RenderedPage = { text: new Uint8Array(), count: 0 };

/** `GET /messenger/1/logs` */
export function logsRoute(deps: LogsDeps, held: HeldAnswers): Route {
  const cursors = new Cursors(deps.cursorSecret);
  return {
    method: 'GET',
    path: '/messenger/1/logs',
    access: { scope: 'messenger:logs:read', budget: 'logs' },
    answer: (call: Call) => logs(call, deps, cursors, held),
  };
}

async function logs(
  { principal, request, reply }: Call,
  deps: LogsDeps,
  cursors: Cursors,
  held: HeldAnswers,
): Promise<Buffer> {
  const { account, binding } = principal;
  const asker = { account: account.id, binding };
  const body = await answerTo(rawQuery(request), asker, deps, cursors, work => whileThere(reply.raw, work));
  held.hold(account.id, reply.raw, body.length);
  // Not when it closes: whoever goes away early leaves bytes behind that are still being read.
  reply.raw.once('finish', () => release(body));
  return body;
}

/** What an account is answered by its log. Rejects with an `ApiError` 400 that has every violation of the query. */
export async function answerTo(
  query: string,
  { account, binding }: Omit<Walk, 'filter'>,
  deps: LogsDeps,
  cursors: Cursors,
  whileAsked: (work: (signal: AbortSignal) => Promise<RenderedPage>) => Promise<RenderedPage>,
): Promise<Buffer> {
  let after: Bookmark | undefined;
  const walkOf = (filter: Filter): Walk => ({ account, binding, filter });
  const flawOf = (cursor: string, filter: Filter) => {
    after = cursors.open(cursor, walkOf(filter));
    return after === undefined ? cursorFlaw : undefined;
  };
  const asked = sound(parseLogsQuery(query, flawOf));
  const walk = walkOf(asked.filter);
  const filter = restrict(asked.filter, binding);
  const page =
    filter === undefined ? emptyPage : await whileAsked(signal => render(deps, walk, filter, asked, after, signal));
  const next = page.next === undefined ? undefined : cursors.seal(page.next, walk);
  const body = await joined([head, page.text, Buffer.from(tail(asked, next, page.reached))]);
  release(page.text);
  return body;
}

/** A log that is asked by this server itself, as any program of the account would ask it; it uses up no budget. */
export function ownLog(account: AccountId, deps: LogsDeps): AskLog {
  const cursors = new Cursors(deps.cursorSecret);
  return async (asked, signal = new AbortController().signal) => {
    const query = new URLSearchParams(asked).toString();
    const answer = await answerTo(query, { account, binding: {} }, deps, cursors, work => work(signal));
    return answerIn(answer.toString());
  };
}

async function render(
  { store, clock, retentionOf, compatibleRetentionMs = Infinity }: LogsDeps,
  { account }: Walk,
  filter: Filter,
  { limit, useCursor }: LogsQuery,
  after: Bookmark | undefined,
  signal: AbortSignal,
): Promise<RenderedPage> {
  const sentSince = clock() - Math.min(retentionOf(account), compatibleRetentionMs);
  const budgetMs = limits.textBudgetMs;
  const query = { account, filter, sentSince, limit, walk: useCursor, budgetMs, ...(after !== undefined && { after }) };
  try {
    return await store.render(query, 'json', signal);
  } catch (error) {
    // Sealed by us, but for a store that is not this one.
    if (error instanceof InvalidBookmark) throw invalid('cursor', cursorFlaw);
    throw error;
  }
}

function tail({ limit, useCursor }: LogsQuery, nextCursor: string | undefined, reached: EpochMs | undefined): string {
  if (!useCursor && nextCursor === undefined) return ']}';
  const cursor = JSON.stringify({ limit, ...(nextCursor !== undefined && { nextCursor }) });
  const searchedSince = reached === undefined ? '' : `,"searchedSince":"${formatDateTime(reached)}"`;
  return `],"cursor":${cursor}${searchedSince}}`;
}

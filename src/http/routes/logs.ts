import { type Filter, restrict } from '../../domain/filter.ts';
import { type Bookmark, InvalidBookmark, type RenderedPage } from '../../store/store.ts';
import { type LogsQuery, parseLogsQuery } from '../../wire/filter-query.ts';
import { whileThere } from '../caller.ts';
import { Cursors, cursorFlaw, type Walk } from '../cursor.ts';
import type { ServerDeps } from '../deps.ts';
import { invalid } from '../errors.ts';
import type { HeldAnswers } from '../held-answers.ts';
import { release } from '../release.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf' | 'compatibleRetentionMs' | 'cursorSecret'>;

const head = Buffer.from('{"results":[');
const emptyPage: RenderedPage = { text: new Uint8Array(), count: 0 };

/** `GET /messenger/1/logs` */
export function logsRoute(deps: Deps, held: HeldAnswers): Route {
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
  deps: Deps,
  cursors: Cursors,
  held: HeldAnswers,
): Promise<Buffer> {
  const { account, binding } = principal;
  let after: Bookmark | undefined;
  const walkOf = (filter: Filter): Walk => ({ account: account.id, binding, filter });
  const flawOf = (cursor: string, filter: Filter) => {
    after = cursors.open(cursor, walkOf(filter));
    return after === undefined ? cursorFlaw : undefined;
  };
  const query = sound(parseLogsQuery(rawQuery(request), flawOf));
  const walk = walkOf(query.filter);
  const filter = restrict(query.filter, binding);
  const page =
    filter === undefined
      ? emptyPage
      : await whileThere(reply.raw, signal => render(deps, walk, filter, query, after, signal));
  const next = page.next === undefined ? undefined : cursors.seal(page.next, walk);
  const body = Buffer.concat([head, page.text, Buffer.from(tail(query, next))]);
  release(page.text);
  held.hold(account.id, reply.raw, body.length);
  // Not when it closes: whoever goes away early leaves bytes behind that are still being read.
  reply.raw.once('finish', () => release(body));
  return body;
}

async function render(
  { store, clock, retentionOf, compatibleRetentionMs = Infinity }: Deps,
  { account }: Walk,
  filter: Filter,
  { limit, useCursor }: LogsQuery,
  after: Bookmark | undefined,
  signal: AbortSignal,
): Promise<RenderedPage> {
  const sentSince = clock() - Math.min(retentionOf(account), compatibleRetentionMs);
  const query = { account, filter, sentSince, limit, walk: useCursor, ...(after !== undefined && { after }) };
  try {
    return await store.render(query, 'json', signal);
  } catch (error) {
    // Sealed by us, but for a store that is not this one.
    if (error instanceof InvalidBookmark) throw invalid('cursor', cursorFlaw);
    throw error;
  }
}

function tail({ limit, useCursor }: LogsQuery, nextCursor: string | undefined): string {
  if (!useCursor) return ']}';
  return `],"cursor":${JSON.stringify({ limit, ...(nextCursor !== undefined && { nextCursor }) })}}`;
}

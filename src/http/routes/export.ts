import { Readable } from 'node:stream';
import { type Filter, restrict } from '../../domain/filter.ts';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { Bookmark, RenderedPage } from '../../store/store.ts';
import { type ExportFormat, parseExportQuery } from '../../wire/query/filter-query.ts';
import { csvHeader } from '../../wire/text/log-csv.ts';
import type { HeldAnswers } from '../answer/held-answers.ts';
import { whileThere } from '../caller.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, ClientGone } from '../errors.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf'>;
type Export = { readonly account: AccountId; readonly filter: Filter; readonly format: ExportFormat };

const contentTypes: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** Logs of the first page, of whose length nothing is known. */
const firstLogs = 100;
const pieceBytes = 64 * 1024;

const emptyPage: RenderedPage = { text: new Uint8Array(), count: 0 };

/** `GET /messenger/1/logs/export` */
export function exportRoute(deps: Deps, closing: Closing, held: HeldAnswers): Route {
  return {
    method: 'GET',
    path: '/messenger/1/logs/export',
    access: { scope: 'messenger:logs:read', budget: 'reads' },
    answer: async (call: Call) => {
      const stream = await exported(call, deps, held);
      closing.cut(stream);
      return stream;
    },
  };
}

async function exported({ principal, request, reply }: Call, deps: Deps, held: HeldAnswers): Promise<Readable> {
  const { filter, format } = sound(parseExportQuery(rawQuery(request)));
  const restricted = restrict(filter, principal.binding);
  const asked: Export = { account: principal.account.id, filter: restricted ?? filter, format };
  // Asked for before the answer begins: a store that cannot serve is a 503 then, not a broken stream.
  const empty = request.method === 'HEAD' || restricted === undefined;
  const gone = new AbortController();
  const first = empty
    ? emptyPage
    : await whileThere(reply.raw, signal => page(deps, asked, firstLogs, undefined, signal));
  const time = new Date(deps.clock()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  reply.type(contentTypes[format]);
  reply.header('content-disposition', `attachment; filename="sentlog-${time}.${format}"`);
  const stream = Readable.from(
    pages(first, (limit, after) => page(deps, asked, limit, after, gone.signal), {
      format,
      hold: bytes => held.hold(asked.account, reply.raw, bytes),
    }),
    { objectMode: false },
  );
  reply.raw.once('close', () => gone.abort(new ClientGone()));
  stream.once('error', error => {
    // A reader that has gone is no failure of ours.
    if (!reply.raw.destroyed && !(error instanceof ApiError) && !(error instanceof ClientGone))
      request.log.error({ err: error }, 'an export was cut short');
  });
  return stream;
}

type Sending = { readonly format: ExportFormat; readonly hold: (bytes: number) => void };

/**
 * A page at a time, and nothing held between two: the walk lives in its bookmark alone. How many logs a page has follows
 * from how long those of the page before were.
 */
async function* pages(
  first: RenderedPage,
  next: (limit: number, after: Bookmark) => Promise<RenderedPage>,
  { format, hold }: Sending,
): AsyncGenerator<Uint8Array> {
  if (format === 'csv') yield Buffer.from(csvHeader);
  let limit = firstLogs;
  for (let at = first; ; ) {
    hold(at.text.length);
    // In pieces: the connection would hold the whole page once more.
    for (let from = 0; from < at.text.length; from += pieceBytes) yield at.text.subarray(from, from + pieceBytes);
    if (at.next === undefined) return;
    // Of one that was looked through for words and has none, there is nothing to learn.
    if (at.count > 0) {
      const fitting = Math.floor((limits.exportPageBytes * at.count) / Math.max(1, at.text.length));
      limit = Math.min(Math.max(fitting, 1), limits.pageLogsMax);
    }
    at = await next(limit, at.next);
  }
}

function page(
  deps: Deps,
  { account, filter, format }: Export,
  limit: number,
  after: Bookmark | undefined,
  signal: AbortSignal,
): Promise<RenderedPage> {
  const sentSince = deps.clock() - deps.retentionOf(account);
  const query = { account, filter, sentSince, limit, walk: true, budgetMs: limits.textBudgetMs };
  return deps.store.render(after === undefined ? query : { ...query, after }, format, signal);
}

import { Readable } from 'node:stream';
import type { Scope } from '../../accounts/authenticator.ts';
import { type Filter, restrict } from '../../domain/filter.ts';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { Bookmark, RenderedPage } from '../../store/store.ts';
import { type ExportFormat, parseExportQuery } from '../../wire/filter-query.ts';
import { csvHeader } from '../../wire/log-csv.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';
import { endWith, type Standing } from '../standing.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionMs'>;
type Export = { readonly account: AccountId; readonly filter: Filter; readonly format: ExportFormat };

const scope: Scope = 'messenger:logs:read';

const contentTypes: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

const emptyPage: RenderedPage = { text: new Uint8Array(), count: 0 };

/** `GET /messenger/1/logs/export` */
export function exportRoute(deps: Deps, closing: Closing, standing: Standing): Route {
  return {
    method: 'GET',
    path: '/messenger/1/logs/export',
    access: { scope, budget: 'reads' },
    answer: async (call: Call) => {
      const stream = await exported(call, deps);
      closing.cut(stream);
      endWith(stream, standing.watch(call.request, call.principal, scope));
      return stream;
    },
  };
}

async function exported({ principal, request, reply }: Call, deps: Deps): Promise<Readable> {
  const { filter, format } = sound(parseExportQuery(rawQuery(request)));
  const restricted = restrict(filter, principal.binding);
  const asked: Export = { account: principal.account.id, filter: restricted ?? filter, format };
  // Asked for before the answer begins: a store that cannot serve is a 503 then, not a broken stream.
  const empty = request.method === 'HEAD' || restricted === undefined;
  const first = empty ? emptyPage : await page(deps, asked, undefined);
  const time = new Date(deps.clock()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  reply.type(contentTypes[format]);
  reply.header('content-disposition', `attachment; filename="sentlog-${time}.${format}"`);
  const stream = Readable.from(pages(deps, asked, first), { objectMode: false });
  stream.once('error', error => {
    // A reader that has gone is no failure of ours.
    if (!reply.raw.destroyed && !(error instanceof ApiError))
      request.log.error({ err: error }, 'an export was cut short');
  });
  return stream;
}

/** A page at a time, and nothing held between two: the walk lives in its bookmark alone. */
async function* pages(deps: Deps, asked: Export, first: RenderedPage): AsyncGenerator<Uint8Array> {
  if (asked.format === 'csv') yield Buffer.from(csvHeader);
  for (let at = first; ; ) {
    if (at.count > 0) yield at.text;
    if (at.next === undefined) return;
    at = await page(deps, asked, at.next);
  }
}

function page(deps: Deps, { account, filter, format }: Export, after: Bookmark | undefined): Promise<RenderedPage> {
  const sentSince = deps.clock() - deps.retentionMs;
  const query = { account, filter, sentSince, limit: limits.pageLogsMax, walk: true };
  return deps.store.render(after === undefined ? query : { ...query, after }, format);
}

import { useQuery } from '@tanstack/react-query';
import type { Log } from '../../../../src/client/index.ts';
import { nowMs } from '../../api/server-clock.ts';
import { troubleOf } from '../../api/trouble.ts';
import type { LogBook } from '../../log/book.ts';
import { usePage } from '../../page-context.ts';
import { momentText, msOf } from '../../view/format.ts';
import { boundsOf, rangeFlaw } from '../../view/range.ts';
import { filterOf } from '../../view/view.ts';
import { localZone } from '../../view/zone.ts';
import { CopyButton, quoted } from '../message/copies.tsx';

/** What stands below the last row, or in place of all of them. */
export function TableState(props: { readonly book: LogBook; readonly lastThatFits: Log | undefined }) {
  const { book, lastThatFits } = props;
  const { view } = usePage();
  const { walk, count } = book;
  if (walk.error !== undefined) return <Failed book={book} />;
  if (walk.paused && walk.scannedUntil !== undefined)
    return (
      <div className="table-state">
        <p>Searched back to {momentText(walk.scannedUntil, view.zone)}.</p>
        <button type="button" onClick={() => walk.retry()}>
          Search on
        </button>
      </div>
    );
  if (!walk.started) return <Skeleton />;
  if (lastThatFits !== undefined) return <Full last={lastThatFits} />;
  if (count === 0 && walk.ended) return <Empty />;
  return <p className="table-end">{walk.ended ? 'That is all.' : 'Loading more …'}</p>;
}

function Failed({ book }: { readonly book: LogBook }) {
  const trouble = troubleOf(book.walk.error);
  return (
    <div className="table-state" role="alert">
      <p>
        <strong>
          {trouble.kind === 'forbidden' ? 'This key may not read the log.' : 'The messages could not be read.'}
        </strong>
      </p>
      {trouble.kind === 'failed' && <p>{trouble.reason}</p>}
      <button type="button" onClick={() => book.walk.retry()}>
        Try again
      </button>
    </div>
  );
}

/** A browser cannot make a page as tall as one likes. */
function Full({ last }: { readonly last: Log }) {
  const { view, change } = usePage();
  const { sinceMs } = boundsOf(view, nowMs());
  // Others may have been sent in the same millisecond: it stands on both sides rather than that they stand on none.
  const untilMs = msOf(last.sentAt) + 1;
  return (
    <div className="table-state">
      <p>The table is as long as this browser can show.</p>
      <button type="button" onClick={() => change(one => ({ ...one, range: { sinceMs, untilMs } }))}>
        Go on from {momentText(last.sentAt, view.zone)}
      </button>
    </div>
  );
}

function Skeleton() {
  return (
    <div className="skeleton" aria-hidden="true">
      {Array.from({ length: 12 }, (_, index) => `line-${index}`).map(line => (
        <div key={line} />
      ))}
    </div>
  );
}

function Empty() {
  const { view, change } = usePage();
  const narrowed = Object.keys({ ...view.conditions, ...view.not }).length > 0;
  const everything = 'last' in view.range && view.range.last === 'all';
  const isBare = useIsBare(!narrowed && !everything) || (!narrowed && everything);
  const { sinceMs = -Infinity, untilMs = Infinity } = boundsOf(view, nowMs());
  const outcome = rangeFlaw(sinceMs, untilMs) ?? 'No message matches.';
  return (
    <div className="table-state">
      <p>
        <strong>{isBare ? 'The log holds no message yet.' : outcome}</strong>
      </p>
      {isBare && <HowToFill />}
      {untilMs < sinceMs && (
        <button
          type="button"
          onClick={() => change(one => ({ ...one, range: { sinceMs: untilMs, untilMs: sinceMs } }))}
        >
          Turn it round
        </button>
      )}
      {!everything && !isBare && (
        <button type="button" onClick={() => change(one => ({ ...one, range: { last: 'all' } }))}>
          Search all that is kept
        </button>
      )}
      {narrowed && (
        <button type="button" onClick={() => change(one => ({ ...one, conditions: {}, not: {} }))}>
          Clear the filters
        </button>
      )}
    </div>
  );
}

/** Whether the log is known to hold nothing at all; asked only where `asks`. */
function useIsBare(asks: boolean): boolean {
  const { api, asked } = usePage();
  const all = { conditions: {}, not: {}, range: { last: 'all' }, zone: localZone } as const;
  const { data } = useQuery({
    queryKey: ['bare', asked.id],
    queryFn: async ({ signal }) => {
      const { results } = await api.client.logs({ ...filterOf(all, nowMs()), limit: 1 }, { signal });
      return results.length === 0;
    },
    enabled: asks,
    gcTime: 0,
  });
  return asks && data === true;
}

/** A line that records a first message. The key is left for the reader to fill in: a copied command gets around. */
function curlThatRecords(): string {
  const message = {
    messageId: 'hello-1',
    sender: '44113496000',
    destination: '66855538125',
    content: { type: 'TEXT', text: 'Hello' },
  };
  const body = quoted(JSON.stringify({ results: [message] }));
  const url = quoted(`${location.origin}/messenger/1/logs`);
  return `curl ${url} -H "Authorization: App $SENTLOG_KEY" -H 'Content-Type: application/json' -d ${body}`;
}

function HowToFill() {
  const line = curlThatRecords();
  return (
    <>
      <p>With your key in SENTLOG_KEY, this records a first one:</p>
      <pre className="command">{line}</pre>
      <CopyButton label="Copy the line" text={line} />
    </>
  );
}

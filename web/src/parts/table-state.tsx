import { troubleOf } from '../api/trouble.ts';
import type { LogBook } from '../log/book.ts';
import { usePage } from '../page-context.ts';
import { momentText } from '../view/format.ts';

/** What stands below the last row, or in place of all of them. */
export function TableState({ book }: { readonly book: LogBook }) {
  const { view } = usePage();
  const { walk, count } = book;
  if (walk.error !== undefined) return <Failed book={book} />;
  if (walk.paused && walk.scannedUntil !== undefined)
    return (
      <div className="table-state">
        <p>Searched back to {momentText(walk.scannedUntil, view.utc)}.</p>
        <button type="button" onClick={() => walk.retry()}>
          Search on
        </button>
      </div>
    );
  if (!walk.started) return <Skeleton />;
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
  const narrowed = Object.keys(view.conditions).length > 0;
  const everything = 'last' in view.range && view.range.last === 'all';
  return (
    <div className="table-state">
      <p>
        <strong>{narrowed || !everything ? 'No message matches.' : 'The log holds no message yet.'}</strong>
      </p>
      {!narrowed && everything && <p>What is recorded with POST /messenger/1/logs appears here.</p>}
      {!everything && (
        <button type="button" onClick={() => change(one => ({ ...one, range: { last: 'all' } }))}>
          Search all that is kept
        </button>
      )}
      {narrowed && (
        <button type="button" onClick={() => change(one => ({ ...one, conditions: {} }))}>
          Clear the filters
        </button>
      )}
    </div>
  );
}

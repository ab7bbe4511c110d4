import { Suspense, useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import type { LogBook } from '../../log/book.ts';
import { usePage } from '../../page-context.ts';
import { searchOf } from '../../view/address.ts';
import { countText, msOf, shortMomentText } from '../../view/format.ts';
import { fixed } from '../../view/range.ts';
import { later } from '../forms/later.tsx';
import { Popover } from '../forms/popover.tsx';
import { CopyButton } from '../message/copies.tsx';
import { Chips } from '../search/chips.tsx';
import { columns } from './columns.tsx';
import type { ColumnChoice } from './use-columns.ts';

const Export = later(async () => (await import('./export.tsx')).Export);

export function TableBar({ book, columns: choice }: { readonly book: LogBook; readonly columns: ColumnChoice }) {
  const { reload } = usePage();
  const reached = useReached(book);
  const [exporting, setExporting] = useState(false);
  return (
    <div className="table-bar">
      <p className="reached" role="status" title={reached}>
        {reached}
      </p>
      <Chips />
      <button type="button" onClick={reload} title="Ask anew">
        Refresh
      </button>
      <Columns choice={choice} />
      <CopyLink book={book} />
      <button type="button" onClick={() => setExporting(true)}>
        Export …
      </button>
      <Suspense>{exporting && <Export columns={choice.shown} onClose={() => setExporting(false)} />}</Suspense>
    </div>
  );
}

function Columns({ choice }: { readonly choice: ColumnChoice }) {
  return (
    <Popover label="Columns" className="menu">
      {id => (
        <fieldset id={id}>
          <legend className="unseen">Columns of the table</legend>
          {columns.map(column => (
            <label key={column.name}>
              <input
                type="checkbox"
                checked={choice.shown.includes(column)}
                onChange={() => choice.toggle(column.name)}
              />
              {column.label}
            </label>
          ))}
        </fieldset>
      )}
    </Popover>
  );
}

/** What is seen now, for a colleague who opens it later: “the last hour” would be another one then. */
function CopyLink({ book }: { readonly book: LogBook }) {
  const { api, view } = usePage();
  const link = () => {
    const atMs = nowMs();
    const newest = book.row(0);
    // Some are dated ahead of now.
    const untilMs = Math.max(atMs, newest === undefined ? 0 : msOf(newest.sentAt) + 1);
    const whole = { sinceMs: atMs - api.retentionMs, untilMs };
    return `${location.origin}${location.pathname}${searchOf(fixed(view, atMs, whole))}`;
  };
  return <CopyButton label="Copy link" text={link} />;
}

function useReached(book: LogBook): string {
  const { view } = usePage();
  const { walk, count } = book;
  if (!walk.started) return walk.error === undefined ? 'Loading …' : 'Nothing could be loaded';
  const until =
    walk.scannedUntil === undefined ? '' : `, back to ${shortMomentText(walk.scannedUntil, view.zone, nowMs())}`;
  if (walk.ended)
    return count === 0 ? 'No messages' : count === 1 ? '1 message' : `${countText(count)} messages, all of them`;
  return `${countText(count)} messages loaded so far${until}`;
}

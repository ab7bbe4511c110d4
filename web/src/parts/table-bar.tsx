import { useState } from 'react';
import type { LogBook } from '../log/book.ts';
import { usePage } from '../page-context.ts';
import { countText, momentText } from '../view/format.ts';
import { columns } from './columns.tsx';
import { Export } from './export.tsx';
import type { ColumnChoice } from './use-columns.ts';

export function TableBar({ book, columns: choice }: { readonly book: LogBook; readonly columns: ColumnChoice }) {
  const { reload } = usePage();
  const [exporting, setExporting] = useState(false);
  return (
    <div className="table-bar">
      <p className="reached" role="status">
        <Reached book={book} />
      </p>
      <button type="button" onClick={reload} title="Ask anew">
        Refresh
      </button>
      <details className="menu">
        <summary>Columns</summary>
        <fieldset>
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
      </details>
      <button type="button" onClick={() => setExporting(true)}>
        Export …
      </button>
      {exporting && <Export onClose={() => setExporting(false)} />}
    </div>
  );
}

function Reached({ book }: { readonly book: LogBook }) {
  const { view } = usePage();
  const { walk, count } = book;
  if (!walk.started) return 'Loading …';
  const until =
    walk.scannedUntil === undefined ? '' : `, back to ${momentText(walk.scannedUntil, view.utc).slice(5, 19)}`;
  if (walk.ended)
    return count === 0 ? 'No messages' : count === 1 ? '1 message' : `${countText(count)} messages, all of them`;
  return `${countText(count)} messages loaded so far${until}`;
}

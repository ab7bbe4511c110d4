import { useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import type { LogBook } from '../../log/book.ts';
import { usePage } from '../../page-context.ts';
import { countText, shortMomentText } from '../../view/format.ts';
import { fixed } from '../../view/range.ts';
import { searchOf } from '../../view/view.ts';
import { usePopover } from '../forms/use-popover.ts';
import { CopyButton } from '../message/copies.tsx';
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
      <Columns choice={choice} />
      <CopyLink />
      <button type="button" onClick={() => setExporting(true)}>
        Export …
      </button>
      {exporting && <Export columns={choice.shown} onClose={() => setExporting(false)} />}
    </div>
  );
}

function Columns({ choice }: { readonly choice: ColumnChoice }) {
  const [open, setOpen] = useState(false);
  const popover = usePopover(open, () => setOpen(false));
  return (
    <div ref={popover}>
      <details className="menu" open={open} onToggle={event => setOpen(event.currentTarget.open)}>
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
    </div>
  );
}

/** What is seen now, for a colleague who opens it later: “the last hour” would be another one then. */
function CopyLink() {
  const { view } = usePage();
  const link = () => `${location.origin}${location.pathname}${searchOf(fixed(view, nowMs()))}`;
  return <CopyButton label="Copy link" text={link} />;
}

function Reached({ book }: { readonly book: LogBook }) {
  const { view } = usePage();
  const { walk, count } = book;
  if (!walk.started) return 'Loading …';
  const until = walk.scannedUntil === undefined ? '' : `, back to ${shortMomentText(walk.scannedUntil, view.zone)}`;
  if (walk.ended)
    return count === 0 ? 'No messages' : count === 1 ? '1 message' : `${countText(count)} messages, all of them`;
  return `${countText(count)} messages loaded so far${until}`;
}

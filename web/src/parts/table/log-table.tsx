import { useVirtualizer, type Virtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type MouseEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import type { Log } from '../../../../src/client/index.ts';
import { nowMs } from '../../api/server-clock.ts';
import type { LogBook } from '../../log/book.ts';
import { usePage } from '../../page-context.ts';
import { countText } from '../../view/format.ts';
import { zonePlace } from '../../view/zone.ts';
import { rowsMaxOf, useNarrow, useRemPx } from '../forms/use-screen.ts';
import { CellTools } from './cell-tools.tsx';
import { type Column, type Terms, tracksOf, widthOf } from './columns.tsx';
import { TableState } from './table-state.tsx';

const rowRem = 2.3;
const narrowRowRem = 5.1;

/** Scrolled down by more than this, the rows are held. */
const heldFromPx = 15;

type Props = { readonly book: LogBook; readonly columns: readonly Column[] };

/** The messages: rows are made for what is in sight only, and loaded as it comes into sight. */
export function LogTable({ book, columns }: Props) {
  const { view, decimals } = usePage();
  const { zone } = view;
  const table = useRef<HTMLTableElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const box = useHeldPlace(view.open !== undefined);
  const narrow = useNarrow();
  const rem = useRemPx();
  const height = Math.round(rem * (narrow ? narrowRowRem : rowRem));
  const rowsMax = rowsMaxOf(height);
  const rows = useVirtualizer({
    count: Math.min(book.count, rowsMax),
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
    scrollPaddingStart: narrow ? 0 : height,
  });
  useEffect(() => {
    void height;
    rows.measure();
  }, [rows, height]);
  useWanted(book, rows);
  const holding = useHolding(book, scroller);
  const { activeIndex, grid } = useGrid(book, rows, () => Math.floor((scroller.current?.clientHeight ?? 0) / height));
  const template = narrow ? undefined : tracksOf(columns);
  return (
    <div ref={box} className="table-box">
      <Waiting book={book} holding={holding} scroller={scroller} />
      <div className="scroller" ref={scroller}>
        <table
          {...grid}
          ref={table}
          id="log"
          aria-label="Messages, newest first"
          aria-colcount={columns.length}
          style={{ minWidth: narrow ? undefined : widthOf(columns) }}
        >
          <thead>
            <tr aria-rowindex={1} style={{ gridTemplateColumns: template, lineHeight: lineHeightOf(height) }}>
              {columns.map(column => (
                <th key={column.name} scope="col" className={column.number ? 'number' : undefined}>
                  {column.label}
                  {column.name === 'time' && <span className="zone"> {zonePlace(zone)}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map(({ index, start }) => (
              <Row
                key={index}
                index={index}
                start={start}
                height={height}
                log={book.row(index)}
                columns={columns}
                template={template}
                selected={index === activeIndex}
                terms={{ zone, nowMs: nowMs(), decimals }}
              />
            ))}
          </tbody>
        </table>
        <CellTools table={table} book={book} columns={columns} />
        <TableState book={book} lastThatFits={book.row(rowsMax - 1)} />
      </div>
    </div>
  );
}

/** Keeps the height that the rows have while no message is open: where one opens beside them, they stay in their places. */
function useHeldPlace(isMessageOpen: boolean): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { current } = box;
    if (current === null) return;
    if (isMessageOpen) {
      // Whoever unfolds the overview wants to see it.
      const letGo = ({ target }: Event) => {
        if (target instanceof Element && target.closest('.overview') !== null)
          current.style.removeProperty('--rows-before');
      };
      addEventListener('toggle', letGo, { capture: true });
      return () => removeEventListener('toggle', letGo, { capture: true });
    }
    const watch = new ResizeObserver(() => {
      const { height } = current.getBoundingClientRect();
      current.style.setProperty('--rows-before', `${height}px`);
    });
    watch.observe(current);
    return () => watch.disconnect();
  }, [isMessageOpen]);
  return box;
}

/** One row is the active one; it stays the same message when others arrive above it. */
function useGrid(book: LogBook, rows: Virtualizer<HTMLDivElement, Element>, screenRows: () => number) {
  const { change, view } = usePage();
  const [active, setActive] = useState<string>();
  const activeIndex = active === undefined ? undefined : book.indexOf(active);
  const open = (log: Log | undefined) => {
    if (log === undefined) return;
    change(one => ({ ...one, open: log.messageId }), { replace: view.open !== undefined });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const target = moved(event.key, activeIndex, book.count, screenRows());
    if (event.key === 'Enter' && activeIndex !== undefined) open(book.row(activeIndex));
    else if (target !== undefined) {
      const log = book.row(target);
      if (log !== undefined) setActive(log.messageId);
      rows.scrollToIndex(target);
      if (view.open !== undefined) open(log);
    } else return;
    event.preventDefault();
  };
  const onClick = (event: MouseEvent) => {
    // The message that the first click of a double click opens moves the rows: what the second hits was not meant.
    if (event.detail > 1) return;
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-index]') : null;
    const log = row === null ? undefined : book.row(Number(row.dataset.index));
    setActive(log?.messageId);
    open(log);
  };
  const inSight = rows.getVirtualItems().some(({ index }) => index === activeIndex);
  const grid = {
    role: 'grid',
    tabIndex: 0,
    'aria-rowcount': book.walk.ended ? book.count + 1 : -1,
    'aria-activedescendant': inSight ? `row-${activeIndex}` : undefined,
    onKeyDown,
    onClick,
  };
  return { activeIndex, grid };
}

/** Its border belongs to a row. */
const lineHeightOf = (rowPx: number) => `${rowPx - 1}px`;

function Row(props: {
  readonly index: number;
  readonly start: number;
  readonly height: number;
  readonly log: Log | undefined;
  readonly columns: readonly Column[];
  readonly template: string | undefined;
  readonly selected: boolean;
  readonly terms: Terms;
}) {
  const { index, start, height, log, columns, template, selected, terms } = props;
  return (
    <tr
      id={`row-${index}`}
      data-index={index}
      aria-rowindex={index + 2}
      aria-selected={selected}
      style={{
        height,
        lineHeight: lineHeightOf(height),
        gridTemplateColumns: template,
        transform: `translateY(${start}px)`,
      }}
    >
      {columns.map(column => (
        <td
          key={column.name}
          // What is written from right to left is cut at its end, not at its beginning.
          dir="auto"
          data-column={column.name}
          className={`cell-${column.name}${column.number ? ' number' : ''}`}
        >
          <Cell log={log} column={column} terms={terms} />
        </td>
      ))}
    </tr>
  );
}

/** A component of its own: React would write the text of an element that holds nothing else over what `CellTools` adds. */
function Cell({
  log,
  column,
  terms,
}: {
  readonly log: Log | undefined;
  readonly column: Column;
  readonly terms: Terms;
}) {
  return log === undefined ? <span className="loading-cell" /> : column.cell(log, terms);
}

function moved(key: string, active: number | undefined, count: number, screenRows: number): number | undefined {
  if (count === 0) return undefined;
  const page = Math.max(1, screenRows - 2);
  const steps = new Map([
    ['ArrowDown', 1],
    ['ArrowUp', -1],
    ['PageDown', page],
    ['PageUp', -page],
    ['Home', -count],
    ['End', count],
  ]);
  const step = steps.get(key);
  if (step === undefined) return undefined;
  if (active === undefined) return step === count ? count - 1 : 0;
  return Math.min(Math.max(active + step, 0), count - 1);
}

function useWanted(book: LogBook, rows: Virtualizer<HTMLDivElement, Element>) {
  const items = rows.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    // A screenful ahead, so that scrolling at a reading pace never waits.
    if (book.walk.started) book.want(first, last + 60);
  }, [book, first, last]);
}

/** Scrolled down, the rows stand still, and what arrives waits above. */
function useHolding(book: LogBook, scroller: RefObject<HTMLDivElement | null>): boolean {
  const [holding, setHolding] = useState(false);
  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    box.scrollTop = 0;
    const look = () => {
      const down = box.scrollTop > heldFromPx;
      setHolding(down);
      if (down) book.hold(true);
      else book.release();
    };
    box.addEventListener('scroll', look, { passive: true });
    return () => box.removeEventListener('scroll', look);
  }, [book, scroller]);
  return holding;
}

function Waiting(props: {
  readonly book: LogBook;
  readonly holding: boolean;
  readonly scroller: RefObject<HTMLDivElement | null>;
}) {
  const { count, orMore } = props.book.waiting;
  const rise = () => props.scroller.current?.scrollTo({ top: 0 });
  return (
    <div className="waiting" role="status">
      {props.holding && count > 0 && (
        <button type="button" onClick={rise}>
          ↑ {countText(count)}
          {orMore ? '+' : ''} new
        </button>
      )}
    </div>
  );
}

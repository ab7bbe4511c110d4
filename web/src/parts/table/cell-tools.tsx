import { type RefObject, useEffect, useState } from 'react';
import { createPortal } from 'react-dom';
import type { LogBook } from '../../log/book.ts';
import { msOf } from '../../view/format.ts';
import { Narrow, NarrowTime } from '../forms/narrow.tsx';
import type { Column } from './columns.tsx';

type Cell = { readonly element: HTMLElement; readonly index: number; readonly name: string };

function cellAt(target: EventTarget | null): Cell | undefined {
  const element = target instanceof Element ? target.closest('td') : null;
  const row = element?.closest<HTMLElement>('[data-index]');
  const name = element?.dataset.column;
  if (element === null || row === null || row === undefined || name === undefined) return undefined;
  return { element, index: Number(row.dataset.index), name };
}

type Props = {
  readonly table: RefObject<HTMLTableElement | null>;
  readonly book: LogBook;
  readonly columns: readonly Column[];
};

/**
 * What can be done with the value of the cell under the mouse. It stands in that cell alone, since thousands of buttons
 * would make the table slow; whoever has no mouse finds the same in the message.
 */
export function CellTools({ table, book, columns }: Props) {
  const cell = useCellUnderMouse(table);
  const column = columns.find(({ name }) => name === cell?.name);
  const log = cell === undefined ? undefined : book.row(cell.index);
  if (cell?.element.isConnected !== true || column === undefined || log === undefined) return null;
  const value = column.filter?.value(log);
  const ways =
    column.name === 'time' ? (
      <NarrowTime ms={msOf(log.sentAt)} />
    ) : (
      column.filter !== undefined && value !== undefined && <Narrow field={column.filter.field} value={value} />
    );
  return createPortal(ways, cell.element);
}

function useCellUnderMouse(table: RefObject<HTMLTableElement | null>): Cell | undefined {
  const [cell, setCell] = useState<Cell>();
  useEffect(() => {
    const element = table.current;
    if (element === null) return;
    const enter = ({ pointerType, target }: PointerEvent) => {
      const next = pointerType === 'mouse' ? cellAt(target) : undefined;
      // A row that is used for another message has the same cells.
      setCell(last => (last?.element === next?.element && last?.index === next?.index ? last : next));
    };
    const leave = () => setCell(undefined);
    element.addEventListener('pointerover', enter);
    element.addEventListener('pointerleave', leave);
    return () => {
      element.removeEventListener('pointerover', enter);
      element.removeEventListener('pointerleave', leave);
    };
  }, [table]);
  return cell;
}

/** One value of a row as the driver gives it. */
export type Cell = unknown;
export type Row = readonly Cell[];

/** A whole number; 64-bit ones come as text. Throws a `TypeError` when it is none. */
export function integer(cell: Cell): number {
  const value = typeof cell === 'string' && cell !== '' ? Number(cell) : cell;
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new TypeError(`${typeof cell} is no whole number`);
  return value;
}

export function decimal(cell: Cell): number {
  if (typeof cell !== 'number') throw new TypeError(`${typeof cell} is no number`);
  return cell;
}

export function text(cell: Cell): string {
  if (typeof cell !== 'string') throw new TypeError(`${typeof cell} is no text`);
  return cell;
}

export function truth(cell: Cell): boolean {
  if (typeof cell !== 'boolean') throw new TypeError(`${typeof cell} is neither true nor false`);
  return cell;
}

/** `undefined` for NULL. */
export function optional<T>(cell: Cell, read: (cell: Cell) => T): T | undefined {
  return cell === null || cell === undefined ? undefined : read(cell);
}

import type { SQLOutputValue } from 'node:sqlite';
import type { Price } from '../../domain/message.ts';
import type { Lane, Outgoing } from '../../domain/outgoing.ts';
import { laneAt } from '../states.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** A row without names. */
export type Cells = readonly SQLOutputValue[];

/** What stands in the file is what this program wrote: anything else is a defect, or a damaged file. */
export function number(value: unknown, name = 'a cell'): number {
  if (typeof value !== 'number') throw new TypeError(`the outbox has no number in ${name}`);
  return value;
}

export function string(value: unknown, name = 'a cell'): string {
  if (typeof value !== 'string') throw new TypeError(`the outbox has no text in ${name}`);
  return value;
}

export function integer(row: Row, name: string): number {
  return number(row[name], name);
}

export function text(row: Row, name: string): string {
  return string(row[name], name);
}

export function optionalNumber(value: unknown): number | undefined {
  return value === null ? undefined : number(value);
}

export function optionalInteger(row: Row, name: string): number | undefined {
  return row[name] === null ? undefined : integer(row, name);
}

export function optionalText(row: Row, name: string): string | undefined {
  return row[name] === null ? undefined : text(row, name);
}

export function laneIn(row: Row): Lane {
  return laneAt(integer(row, 'lane'));
}

export function outgoingIn(row: Row): Outgoing {
  return JSON.parse(text(row, 'body'));
}

export function priceIn(row: Row): Price | undefined {
  const stored = optionalText(row, 'price');
  return stored === undefined ? undefined : JSON.parse(stored);
}

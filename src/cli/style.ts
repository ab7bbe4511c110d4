import { styleText } from 'node:util';
import type { Log } from '../client/index.ts';

export type Cell = string | number | undefined;

/** Control characters and those that turn the direction of writing: what comes from outside must not steer a terminal. */
const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** What of a value may go to a terminal. */
export function shown(cell: Cell): string {
  return String(cell ?? '').replace(steering, ' ');
}

/*
 * Colours, where standard output is a terminal that has them and `NO_COLOR` is not set. What is coloured says the same
 * without: a colour alone tells nothing.
 */

/** As `--no-color` wants it, for what is written from now on. */
export function withoutColours(): void {
  process.env.NO_COLOR = '1';
  delete process.env.FORCE_COLOR;
}

/** What only accompanies. */
export const faint = (text: string) => styleText('dim', text);
export const good = (text: string) => styleText('green', text);
export const doubtful = (text: string) => styleText('yellow', text);
export const bad = (text: string) => styleText('red', text);

const colourOf: Readonly<Record<string, (text: string) => string>> = {
  DELIVERED: good,
  EXPIRED: bad,
  REJECTED: bad,
  UNDELIVERABLE: bad,
};

/** By the group of a status; of one that is not known, and of those that are not final, nobody knows how it ends. */
export function inGroupColour(text: string, groupName: string | undefined): string {
  return (Object.hasOwn(colourOf, groupName ?? '') ? colourOf[groupName ?? ''] : undefined)?.(text) ?? doubtful(text);
}

/** The name of a status, coloured by its group. */
export function statusWord({ groupName, name }: Pick<Log['status'], 'groupName' | 'name'>): string {
  return inGroupColour(shown(name), groupName);
}

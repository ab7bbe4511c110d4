import { styleText } from 'node:util';
import type { Log } from '../client/index.ts';
import { shown } from './table.ts';

type Colour = 'green' | 'yellow' | 'red';

const colours: Readonly<Record<string, Colour>> = {
  DELIVERED: 'green',
  EXPIRED: 'red',
  REJECTED: 'red',
  UNDELIVERABLE: 'red',
};

/** The name of a status, coloured by its group where standard output is a terminal and `NO_COLOR` is not set. */
export function statusWord({ groupName, name }: Pick<Log['status'], 'groupName' | 'name'>): string {
  return styleText(colours[groupName ?? ''] ?? 'yellow', shown(name));
}

/** What only accompanies. */
export function faint(text: string): string {
  return styleText('dim', text);
}

import type { Command } from 'commander';
import type { Account } from '../../accounts/rows.ts';
import { Mirrors } from '../../mirror/mirrors.ts';
import type { MirrorRows } from '../../mirror/rows.ts';
import { type Kept, withPlace } from './place.ts';

export const named = (command: Command) => command.argument('<name>', 'as `mirrors list` shows it');

type Opened = {
  readonly mirrors: Mirrors;
  readonly rows: MirrorRows;
  readonly accounts: {
    readonly account: (name: string) => Promise<Account>;
    readonly names: () => Promise<ReadonlyMap<number, string>>;
  };
};

/** Runs a command on the mirrors of a folder or a database. */
export function withMirrors(command: Command, work: (opened: Opened, argument: string) => Promise<void>): void {
  withPlace(command, async ({ accounts, secrets, parts, open }, argument) => {
    const rows = await open(kept);
    const mirrors = parts.adopt(new Mirrors(rows, secrets, Date.now), one => one.close());
    const names = async () => new Map((await accounts.accounts()).map(one => [one.id, one.name]));
    await work({ mirrors, rows, accounts: { account: name => accounts.account(name), names } }, argument);
  });
}

const kept: Kept<MirrorRows> = {
  file: 'mirrors.db',
  inFile: async () => {
    const { SqliteMirrorRows } = await import('../../mirror/sqlite/mirror-rows.ts');
    return path => new SqliteMirrorRows(path);
  },
  inTables: async () => {
    const { PostgresMirrorRows } = await import('../../mirror/postgres/mirror-rows.ts');
    return connections => new PostgresMirrorRows(connections);
  },
};

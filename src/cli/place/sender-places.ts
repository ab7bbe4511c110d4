import type { Command } from 'commander';
import type { AccountId } from '../../domain/message.ts';
import { type ReportPlaceRows, ReportPlaces } from '../../senders/report-places.ts';
import type { SenderRows } from '../../senders/rows.ts';
import { Senders } from '../../senders/senders.ts';
import { type Kept, withPlace } from './place.ts';

type Opened = {
  readonly senders: Senders;
  readonly reportPlaces: ReportPlaces;
  readonly account: (name: string) => Promise<AccountId>;
  readonly names: ReadonlyMap<AccountId, string>;
};

/** Runs a command on the senders of a folder or a database. */
export function withSenders(command: Command, work: (opened: Opened) => Promise<void>): void {
  withPlace(command, async ({ accounts, secrets, parts, open }) => {
    const rows = await open(kept);
    const senders = parts.adopt(new Senders(rows, secrets, Date.now), one => one.close());
    const reportPlaces = new ReportPlaces(rows, secrets, Date.now);
    const names = new Map((await accounts.accounts()).map(one => [one.id, one.name]));
    await work({ senders, reportPlaces, account: async name => (await accounts.account(name)).id, names });
  });
}

const kept: Kept<SenderRows & ReportPlaceRows> = {
  file: 'senders.db',
  inFile: async () => {
    const { SqliteSenderRows } = await import('../../senders/sender-file.ts');
    return path => new SqliteSenderRows(path);
  },
  inTables: async () => {
    const { PostgresSenderRows } = await import('../../senders/sender-table.ts');
    return connections => new PostgresSenderRows(connections);
  },
};

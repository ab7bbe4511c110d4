import type { Command } from 'commander';
import { loadRetentionMs, serverSettings } from '../config.ts';
import type { SegmentCheck } from '../store/copy-log.ts';
import type { StoreObserver } from '../store/store.ts';
import { settingOption, sourcesOf, text } from './flags.ts';
import { CopyProgress } from './progress.ts';
import { type Cell, printRows } from './table.ts';
import { note } from './terminal.ts';

const partitionMs = 3_600_000;

export function addCopy(program: Command): void {
  const command = program
    .command('copy')
    .description(
      'Copy the log of a data folder, on which no server runs, into PostgreSQL, and compare both. ' +
        'Started again, it goes on where it was.',
    )
    .requiredOption('--from <folder>', 'data folder to copy')
    .requiredOption('--to <address>', 'postgres://user@host/database to copy to; PGPASSWORD may hold the password')
    .addOption(settingOption(serverSettings.retentionMs));
  command.action(async () => {
    const flags = command.opts();
    const retentionMs = loadRetentionMs(sourcesOf(command));
    const faults = await copyFolder(text(flags, 'from') ?? '', text(flags, 'to') ?? '', retentionMs);
    for (const fault of faults) note(fault);
    if (faults.length > 0) process.exitCode = 1;
  });
}

/** Gives what is not in the target as it is in the folder, a line each. */
async function copyFolder(dataDir: string, url: string, retentionMs: number): Promise<readonly string[]> {
  // Only here, so that the other commands need not load both engines.
  const { FolderLog } = await import('../store/sqlite/folder-log.ts');
  const { CopyTarget } = await import('../store/postgres/copy-target.ts');
  const { checkCopy, copyLog } = await import('../store/copy-log.ts');
  await using parts = new AsyncDisposableStack();
  const log = parts.adopt(new FolderLog(dataDir), one => one.close());
  const options = { url, schema: 'sentlog', partitionMs, observer };
  const target = parts.adopt(await CopyTarget.open(options), one => one.close());
  const copy = { log, target, accountOf: (id: number) => id, sentSince: () => Date.now() - retentionMs };

  const progress = parts.adopt(new CopyProgress(messagesIn(log.segments)), one => one.stop());
  for await (const step of copyLog(copy)) progress.add(step);
  progress.copied();
  const checks: SegmentCheck[] = [];
  for await (const part of checkCopy(copy))
    if ('name' in part) checks.push(part);
    else progress.read(part.rows);
  progress.stop();

  await printRows(checks.map(shownCheck), columns);
  for (const name of log.setAside) note(`${name} was set aside as damaged by a server, and is left out`);
  return [
    ...checks.flatMap(differenceOf),
    ...log.damaged.map(
      ({ name, reason }) => `${name} is damaged (${reason}): left out, and its reports on messages of others too`,
    ),
  ];
}

const observer: StoreObserver = {
  committed: () => {},
  damaged: () => {},
  note: ({ message, level }) => (level === 'info' ? undefined : note(message)),
};

type Columns<Row> = readonly (readonly [heading: string, cell: (row: Row) => Cell])[];

const columns: Columns<ReturnType<typeof shownCheck>> = [
  ['SEGMENT', row => row.segment],
  ['MESSAGES', row => row.messages],
  ['REPORTS', row => row.reports],
  ['COPY', row => row.copy],
  ['SHA-256', row => row.sha256],
];

function shownCheck(check: SegmentCheck) {
  const { name, messages, reports, expected } = check;
  return { segment: name, messages, reports, copy: isSame(check) ? 'same' : 'differs', sha256: expected };
}

function isSame({ expected, found, missing, different }: SegmentCheck): boolean {
  return expected === found && missing + different === 0;
}

function differenceOf(check: SegmentCheck): readonly string[] {
  if (isSame(check)) return [];
  const { name, missing, different, messages, examples } = check;
  const more = missing + different > examples.length ? ', …' : '';
  const ids = `${examples.join(', ')}${more}`;
  return [`${name} differs: of ${messages} messages ${missing} are missing and ${different} are other ones (${ids})`];
}

function messagesIn(segments: readonly { readonly messages: number }[]): number {
  return segments.reduce((sum, one) => sum + one.messages, 0);
}

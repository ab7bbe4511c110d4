import { Command } from 'commander';
import { AccountsError } from '../accounts/rows.ts';
import { ConnectionError, SentlogError, UnexpectedAnswer } from '../client/index.ts';
import { SettingError } from '../config.ts';
import { Unavailable, Unusable } from '../failures.ts';
import { MirrorError } from '../mirror/rows.ts';
import { SenderError } from '../senders/rows.ts';
import { programVersion } from '../version.ts';
import { addAccounts, addKeys, addUsers } from './accounts.ts';
import { addCopy } from './copy.ts';
import { addDb } from './db.ts';
import { addEmulate } from './emulate.ts';
import { addExport } from './export.ts';
import { addGraph } from './graph.ts';
import { addHealth } from './health.ts';
import { addImport } from './import.ts';
import { addMessage } from './message.ts';
import { addMirrors } from './mirrors.ts';
import { addQuery } from './query.ts';
import { addRepair } from './repair.ts';
import { addReports } from './reports.ts';
import { addSenders } from './senders.ts';
import { addServe } from './serve.ts';
import { addTail } from './tail.ts';
import { CommandError, endWhenNobodyReads, note } from './terminal.ts';

const expected = [
  AccountsError,
  CommandError,
  MirrorError,
  ConnectionError,
  SentlogError,
  SenderError,
  SettingError,
  Unavailable,
  UnexpectedAnswer,
  Unusable,
];

function programOf(): Command {
  const program = new Command('sentlog')
    .description('The outbound Messenger message log you host yourself.')
    .version(programVersion())
    .configureHelp({ showGlobalOptions: false })
    // Commander puts its suggestion on a line of its own.
    .configureOutput({ outputError: (text, write) => write(`sentlog: ${oneLine(text.replace(/^error: /, ''))}\n`) });
  // Commands take these over from the program when they are made, so they come after.
  for (const add of [
    addServe,
    addAccounts,
    addKeys,
    addUsers,
    addMirrors,
    addQuery,
    addMessage,
    addTail,
    addExport,
    addImport,
    addCopy,
    addRepair,
    addDb,
    addHealth,
    addSenders,
    addReports,
    addGraph,
    addEmulate,
  ])
    add(program);
  return program;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

/** A failure of the outside world (no such file, a full disk) is for the caller; a defect is shown whole. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SentlogError && error.status === 401)
    return `${oneLine(error.message)} Is the key right? --key or SENTLOG_KEY gives it; \`sentlog keys list\` shows which ones there are.`;
  const isOutside = expected.some(kind => error instanceof kind) || ('code' in error && 'syscall' in error);
  return isOutside ? oneLine(error.message) : (error.stack ?? error.message);
}

// What is kept or exported is for this user alone, whatever the umask that the program was started with.
process.umask(0o077);
endWhenNobodyReads();
try {
  await programOf().parseAsync(process.argv);
} catch (error) {
  note(`sentlog: ${explain(error)}`);
  process.exitCode = 1;
}

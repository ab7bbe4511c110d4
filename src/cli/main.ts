import { Command, CommanderError } from 'commander';
import type { Scope } from '../accounts/authenticator.ts';
import { ConnectionError, SentlogError, UnexpectedAnswer } from '../client/index.ts';
import { SettingError } from '../config.ts';
import { isFileOutage, Refused, Unavailable, Unusable } from '../failures.ts';
import { programVersion } from '../version.ts';
import { withoutColours } from './style.ts';
import { CommandError, endWithOutput, note } from './terminal.ts';

const expected = [
  CommandError,
  ConnectionError,
  Refused,
  SentlogError,
  SettingError,
  Unavailable,
  UnexpectedAnswer,
  Unusable,
];

/**
 * The commands in the order of the help, and how each is added. A start loads the one it was asked for alone: all of
 * them take three times as long to compile.
 */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  accounts: async () => (await import('./commands/accounts.ts')).addAccounts,
  keys: async () => (await import('./commands/accounts.ts')).addKeys,
  users: async () => (await import('./commands/accounts.ts')).addUsers,
  mirrors: async () => (await import('./commands/mirrors.ts')).addMirrors,
  query: async () => (await import('./commands/query.ts')).addQuery,
  summary: async () => (await import('./commands/summary.ts')).addSummary,
  message: async () => (await import('./commands/message.ts')).addMessage,
  tail: async () => (await import('./commands/tail.ts')).addTail,
  export: async () => (await import('./commands/export.ts')).addExport,
  import: async () => (await import('./commands/import.ts')).addImport,
  copy: async () => (await import('./commands/copy.ts')).addCopy,
  backup: async () => (await import('./commands/backup.ts')).addBackup,
  restore: async () => (await import('./commands/backup.ts')).addRestore,
  repair: async () => (await import('./commands/repair.ts')).addRepair,
  db: async () => (await import('./commands/db.ts')).addDb,
  health: async () => (await import('./commands/health.ts')).addHealth,
  senders: async () => (await import('./commands/senders.ts')).addSenders,
  reports: async () => (await import('./commands/reports.ts')).addReports,
  graph: async () => (await import('./commands/graph.ts')).addGraph,
  emulate: async () => (await import('./commands/emulate.ts')).addEmulate,
  completion: async () => {
    const { addCompletion } = await import('./commands/completion.ts');
    return program => addCompletion(program, () => programOf(undefined));
  },
};

/** The program with the command of this name, or with all of them where there is none: for the help and for suggestions. */
async function programOf(name: string | undefined): Promise<Command> {
  const program = new Command('sentlog')
    .description('The outbound Messenger message log you host yourself.')
    .version(programVersion())
    .option('--no-color', 'no colours on a terminal, as NO_COLOR=1 has it')
    .hook('preAction', whole => {
      if (whole.opts().color === false) withoutColours();
    })
    .configureHelp({ showGlobalOptions: false })
    // It would end the process with 0 before it is known whether the help could be written.
    .exitOverride()
    // Commander puts its suggestion on a line of its own.
    .configureOutput({ outputError: (text, write) => write(`sentlog: ${oneLine(text.replace(/^error: /, ''))}\n`) });
  // Commands take these over from the program when they are made, so they come after.
  const asked = Object.entries(commands).filter(([command]) => command === name);
  for (const [, load] of asked.length > 0 ? asked : Object.entries(commands)) (await load())(program);
  return program;
}

/** What a key must allow, by the command that calls with it. */
const scopesNeeded: Readonly<Record<string, Scope | undefined>> = {
  query: 'messenger:logs:read',
  summary: 'messenger:logs:read',
  message: 'messenger:logs:read',
  tail: 'messenger:logs:read',
  export: 'messenger:logs:read',
  import: 'messenger:logs:write',
};

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

/** The flag that a parameter of the API, or a part of another request, was given by, if one was. */
function flagNamed(parameter: string): string | undefined {
  const [, name = '', not] = /^([a-zA-Z]+)(\[not\])?$/.exec(parameter) ?? [];
  const words = name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
  const isPlace = parameter === 'lastEventId' || parameter === 'Last-Event-ID';
  const flag = isPlace ? '--after' : `--${not === undefined ? '' : 'not-'}${words}`;
  // A secret is never a flag itself, but lies in a file or comes in.
  return [flag, `${flag}-file`, `${flag}-stdin`].find(one =>
    process.argv.some(word => word === one || word.startsWith(`${one}=`)),
  );
}

/** A failure of the outside world (no such file, a full disk) is for the caller; a defect is shown whole. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SentlogError && error.status === 401)
    return `${oneLine(error.message)} Is the key right? --key or SENTLOG_KEY gives it; \`sentlog keys list\` shows which ones there are.`;
  const scope = scopesNeeded[process.argv[2] ?? ''];
  if (error instanceof SentlogError && error.status === 403 && scope !== undefined)
    return `${oneLine(error.message)} The key lacks the scope ${scope}: --key or SENTLOG_KEY gives another; \`sentlog keys list\` shows what each may do, and \`sentlog keys create --scope ${scope}\` makes one.`;
  if (error instanceof SentlogError && error.violations.some(({ property }) => flagNamed(property) !== undefined)) {
    const told = error.violations.map(({ property, violation }) => `${flagNamed(property) ?? property}: ${violation}`);
    return oneLine(`${error.errorCode} ${error.description} ${told.join('; ')}`);
  }
  const flag = error instanceof Refused && error.of !== undefined ? flagNamed(error.of) : undefined;
  if (flag !== undefined) return oneLine(`${flag}: ${error.message}`);
  if (isFileOutage(error)) return oneLine(`a database of the data folder cannot be used now: ${error.message}`);
  const isOutside = expected.some(kind => error instanceof kind) || ('code' in error && 'syscall' in error);
  return isOutside ? oneLine(error.message) : (error.stack ?? error.message);
}

// What is kept or exported is for this user alone, whatever the umask that the program was started with.
process.umask(0o077);
endWithOutput();
try {
  await (await programOf(process.argv[2])).parseAsync(process.argv);
} catch (error) {
  // Commander has said what there was to say.
  if (!(error instanceof CommanderError)) note(`sentlog: ${explain(error)}`);
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
}

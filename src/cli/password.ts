import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { passwordCharsMin } from '../accounts/accounts.ts';
import { CommandError } from './terminal.ts';

/** The password for a new user; `undefined` when one is to be made up. */
export async function newPassword(fromStandardInput: boolean): Promise<string | undefined> {
  if (fromStandardInput) return firstLine();
  if (!process.stdin.isTTY) return undefined;
  const password = await ask(`Password, at least ${passwordCharsMin} characters (empty: one is made up): `);
  if (password === '') return undefined;
  if ((await ask('Again: ')) !== password) throw new CommandError('the two passwords are not the same');
  return password;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new CommandError('there is no password on standard input');
}

/** Asks without showing what is typed. */
async function ask(question: string): Promise<string> {
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silence, terminal: true });
  process.stderr.write(question);
  // By Ctrl-D, after which nothing would ever be answered.
  const closed = once(lines, 'close').then(() => {
    throw new CommandError('no password was given');
  });
  try {
    return await Promise.race([lines.question(''), closed]);
  } catch (error) {
    // By Ctrl-C, which is no signal while a terminal is read key by key.
    if (error instanceof Error && error.name === 'AbortError')
      throw new CommandError('no password was given', { cause: error });
    throw error;
  } finally {
    closed.catch(() => undefined);
    lines.close();
    process.stderr.write('\n');
  }
}

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { Scope } from '../../src/accounts/authenticator.ts';

const command = join(import.meta.dirname, '../../bin/sentlog');

/** `sentlog serve` with what it prints shown as it comes. */
export type Server = {
  /** Where it listens, once it does; rejects when it ends before. */
  readonly address: Promise<string>;
  /** Its exit code. */
  readonly ended: Promise<number>;
  readonly stop: (signal: NodeJS.Signals) => void;
};

export function startServer(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Server {
  const child = spawn(process.execPath, [command, 'serve', ...args], {
    stdio: ['inherit', 'pipe', 'inherit'],
    env: { ...process.env, ...settings },
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', code => resolve(code ?? 1));
  });
  return { address: announced(child), ended, stop: signal => child.kill(signal) };
}

function announced(child: ChildProcess): Promise<string> {
  let printed = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      printed += chunk.toString();
      const address = /https?:\/\/[^\s/'"]+(?=[\s/'"])/.exec(printed)?.[0];
      if (address !== undefined) resolve(address);
    });
    child.on('close', () => reject(new Error('the server ended before it listened')));
  });
}

/** A key of the account that `serve` set up, good for a day, in the data folder the server was told of. */
export async function createKey(args: readonly string[], scope: Scope): Promise<string> {
  const { values } = parseArgs({ args: [...args], options: { 'data-dir': { type: 'string' } }, strict: false });
  const dataDir = values['data-dir'];
  const where = typeof dataDir === 'string' ? ['--data-dir', dataDir] : [];
  const what = ['keys', 'create', '--account', 'default', '--scope', scope, '--expires', '1d'];
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...what, ...where]);
  return stdout.trim();
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';

export const launcher = join(import.meta.dirname, '../../bin/sentlog');

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** What comes in on standard input; nothing when absent. */
  readonly stdin?: string | Buffer | AsyncIterable<Buffer>;
};

/** Runs the command line to its end. */
export async function run(args: readonly string[], { env = {}, stdin }: RunOptions = {}): Promise<Finished> {
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const closed = once(child, 'close');
  if (stdin !== undefined && child.stdin !== null) {
    child.stdin.on('error', () => child.stdin?.destroy());
    if (typeof stdin === 'string' || Buffer.isBuffer(stdin)) child.stdin.write(stdin);
    else
      for await (const chunk of stdin) {
        if (child.stdin.destroyed) break;
        if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), closed]);
      }
    child.stdin.end();
  }
  const [code] = await closed;
  return {
    code: typeof code === 'number' ? code : null,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** Makes a command believe that standard error is a terminal. */
export const onTerminal = { NODE_OPTIONS: '--import=data:text/javascript,process.stderr.isTTY=true' };

/** Makes a command believe that standard output is a terminal of so many columns. */
export function wideTerminal(columns: number): Readonly<Record<string, string>> {
  const script = `import tty from 'node:tty';const {getColorDepth}=tty.WriteStream.prototype;Object.assign(process.stdout,{isTTY:true,columns:${columns},getColorDepth})`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

export type Exchange = { readonly request: IncomingMessage; readonly body: string; readonly response: ServerResponse };

/** A server that answers as it is told, and its address. */
export async function answering(answer: (exchange: Exchange) => void): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => answer({ request, body: Buffer.concat(parts).toString(), response }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}

export function sendJson(response: ServerResponse, body: unknown, status = 200, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A log as the API answers it. */
export const log = (messageId: string) => ({
  sender: 's',
  destination: 'd',
  messageId,
  sentAt: '2026-03-01T12:00:00.000+0000',
  messageCount: 1,
  status: { groupId: 1, groupName: 'PENDING', id: 26, name: 'PENDING_ACCEPTED', description: 'd' },
  error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'No Error', permanent: false },
  content: { type: 'TEXT', text: 't' },
});

export const refusal = (status: number) => ({
  errorCode: `E${status}`,
  description: 'Refused.',
  action: 'Mend it.',
  violations: [],
  resources: [],
});

/** What stands on standard error, which must be one line. */
export function oneLine(stderr: string): string {
  expect(stderr).toMatch(/^[^\n]+\n$/);
  return stderr.trimEnd();
}

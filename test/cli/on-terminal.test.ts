import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { answering, launcher, onTerminal, run, sendJson } from './run.ts';
import { Screen } from './screen.ts';

const [columns, rows] = [80, 24];

/** Refuses every record of an import, each by a reason of its own. */
async function refusing(violation: (index: number) => string): Promise<string> {
  return answering(({ body, response }) => {
    const rejected = body.split('\n').map((_, index) => ({
      index,
      violations: [{ property: 'sender', violation: violation(index) }],
    }));
    sendJson(response, { recorded: 0, updated: 0, unchanged: 0, rejected });
  });
}

describe('import', () => {
  test.each([
    [0, 3],
    [5, 3],
    [rows - 1, 3],
    [0, 40],
    [12, 40],
  ])(
    'begun on line %d of the screen, %d records rejected → each reason and the figures, and nothing else',
    async (row, count) => {
      const long = `is ${'very '.repeat(40)}wrong`;
      const url = await refusing(index => (index % 2 === 0 ? 'is missing' : long));
      const file = join(temporaryFolder(), 'in.ndjson');
      writeFileSync(file, '{}\n'.repeat(count));
      const { stderr } = await run(['import', '--url', url, '--key', 'k', file], { env: onTerminal });
      const screen = new Screen({ columns, rows, row });
      screen.write(stderr);
      const told = screen.lines
        .slice(row)
        .join('\n')
        .replaceAll(/\n(?!line |0 recorded|$)/g, '');
      const reasons = Array.from(
        { length: count },
        (_, n) => `line ${n + 1}: sender ${n % 2 === 0 ? 'is missing' : long}`,
      );
      const shown = told.trimEnd().split('\n');
      // Where a line of the terminal ends in a blank, it is not to be told from its end.
      const solid = (lines: readonly string[]) => lines.map(line => line.replaceAll(' ', ''));
      expect(solid(shown.slice(0, -1))).toEqual(solid(reasons));
      expect(shown.at(-1)).toMatch(new RegExp(`^0 recorded, 0 updated, 0 unchanged, ${count} rejected in `));
      expect(screen.isAsBefore).toBe(true);
    },
  );

  test('stopped, also twice, while a chunk is under way → figures, and the terminal as it was', async () => {
    for (const times of [1, 2]) {
      const url = await answering(() => stop());
      const child = started(['import', '--url', url, '--key', 'k', '-']);
      child.stdin?.write('{}\n');
      child.stdin?.end();
      const stop = () => {
        for (let n = 0; n < times; n++) child.kill('SIGINT');
      };
      const { stderr, code, signal } = await ended(child);
      const screen = new Screen({ columns, rows, row: 3 });
      screen.write(stderr);
      expect(screen.isAsBefore).toBe(true);
      if (signal === null) {
        expect(code).toBe(1);
        expect(screen.lines.slice(3, 5)).toEqual([
          expect.stringMatching(/^0 recorded, .* 0 rejected/),
          'stopped: what was recorded stays, and to import it again changes nothing',
        ]);
      } else expect([times, signal]).toEqual([2, 'SIGINT']);
    }
  });
});

describe('export --output', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s until it ends → no file, and none beside it', async name => {
    const folder = temporaryFolder();
    const url = await answering(({ response }) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write('{"messageId":"a"}\n');
    });
    const child = started(['export', '--url', url, '--key', 'k', '--output', join(folder, 'out.ndjson')]);
    const end = ended(child);
    while (!readdirSync(folder).some(file => file.startsWith('.sentlog-export.'))) await turn();
    expect(existsSync(join(folder, 'out.ndjson'))).toBe(false);
    while (child.exitCode === null && child.signalCode === null) {
      child.kill(name);
      await turn();
    }
    const { stderr } = await end;
    expect(readdirSync(folder)).toEqual([]);
    const screen = new Screen({ columns, rows, row: 0 });
    screen.write(stderr);
    expect(screen.isAsBefore).toBe(true);
  });
});

/** A command that takes its standard error for a terminal. */
function started(args: readonly string[]): ChildProcess {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [launcher, ...args], { env: { PATH, HOME, ...onTerminal } });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

async function ended(child: ChildProcess) {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code, signal]: readonly unknown[] = await once(child, 'close');
  return { stderr, code, signal };
}

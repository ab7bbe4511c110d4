import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { entriesOf } from '../../src/cli/commands/completion.ts';
import { run } from './run.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
const scripts = new Map<string, string>();
const call = promisify(execFile);

beforeAll(async () => {
  for (const shell of shells) scripts.set(shell, (await run(['completion', shell])).stdout);
});
const scriptOf = (shell: string) => scripts.get(shell) ?? '';

/** The program as `main.ts` has it, which runs when it is imported. */
async function wholeProgram(): Promise<Command> {
  const program = new Command('sentlog').version('0');
  const main = readFileSync(join(import.meta.dirname, '../../src/cli/main.ts'), 'utf8');
  for (const [, file = '', name = ''] of main.matchAll(/import\('\.\/commands\/([\w-]+)\.ts'\)\)\.(add\w+)/g)) {
    const module: Readonly<Record<string, (program: Command) => void>> = await import(
      `../../src/cli/commands/${file}.ts`
    );
    module[name]?.(program);
  }
  return program;
}

test.each(shells)('%s → every command, and every flag of it', async shell => {
  const script = scriptOf(shell);
  const entries = entriesOf(await wholeProgram());
  expect(entries.length).toBeGreaterThan(30);
  for (const { path, commands, options, words } of entries) {
    for (const { name } of commands) expect(script, `${path} ${name}`).toContain(name);
    const own = script.split('\n').filter(line => line.includes(`'${path}'`) || line.includes(`\\'${path}\\'`));
    for (const word of words) expect(script, `${path} ${word}`).toContain(word);
    for (const { long } of options)
      expect(own.join('\n'), `${path} ${long}`).toContain(shell === 'fish' ? `-l ${long?.slice(2)}` : long);
  }
});

const completed: readonly (readonly [words: readonly string[], completions: readonly string[]])[] = [
  [['ac'], ['accounts']],
  [['accounts', 's'], ['set']],
  [
    ['accounts', ''],
    ['create', 'set', 'list', 'adopt', '-h', '--help'],
  ],
  [['query', '--sender', 'accounts', '--general-status', 'RE'], ['REJECTED']],
  [['query', '--not-camp'], ['--not-campaign-reference-id']],
  [
    ['summary', '--by', 'e'],
    ['entityId', 'error'],
  ],
  [['backup', '--data-dir', ''], []],
  [['completion', '--he'], ['--help']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish', '-h', '--help'],
  ],
  [['completion', 'z'], ['zsh']],
  [
    ['export', '--format', ''],
    ['ndjson', 'csv'],
  ],
  [['serve', '--carrier', 'g'], ['graph']],
  [
    ['serve', '--merge', ''],
    ['off', 'on'],
  ],
  [['query', '--not-general-status', 'UN'], ['UNDELIVERABLE']],
  [
    ['keys', 'create', '--scope', 'messenger:l'],
    ['messenger:logs:read', 'messenger:logs:write'],
  ],
  [['reports', 'set', '--form', 'x'], ['xml']],
  [
    ['query', '--not-error-name', 'EC_ABSENT'],
    ['EC_ABSENT_SUBSCRIBER_SM', 'EC_ABSENT_SUBSCRIBER'],
  ],
  [['summary', '--time-zone', 'Europe/Za'], ['Europe/Zagreb']],
  [
    ['keys', 'list', '--account', 'sh'],
    ['shop', 'shop\\ \\$\\(touch\\ x\\)'],
  ],
  [['accounts', 'set', 't'], ['the\\ \\"old\\"\\ one']],
  [['users', 'create', '--data-dir', 'd', 'me', '--account', ''], ['of-d']],
  [['accounts', 'set', '--store', 's', 'of'], ['of-s']],
  [['nothing', 'q'], ['query']],
];

test('bash, at any place → what can stand there', async () => {
  const asked = completed.map(
    ([
      words,
    ]) => `COMP_WORDS=(sentlog ${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; COMPREPLY=()
    _sentlog; printf '%s\\n' "\${COMPREPLY[*]}"`,
  );
  const sentlog = `sentlog() { case "$*" in
    'accounts list --names') printf '%s\\n' shop 'shop $(touch x)' 'the "old" one' ;;
    'accounts list --names --'*) echo "of-$5" ;;
  esac; }`;
  const { stdout } = await call('bash', ['-c', [scriptOf('bash'), sentlog, ...asked].join('\n')]);
  const lines = stdout.split('\n');
  for (const [i, [words, completions]] of completed.entries())
    expect(lines[i], words.join(' ')).toBe(completions.join(' '));
});

test.each(['zsh', 'fish'])('%s, where it is → takes the script', shell => {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-completion-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // From a file: fish reads no script from a socket.
  const file = join(folder, 'script');
  writeFileSync(file, scriptOf(shell));
  const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
  const isThere = error === undefined;
  expect(isThere ? { status, stderr } : { status: 0, stderr: '' }).toEqual({ status: 0, stderr: '' });
});

test('another shell → refused in one line', async () => {
  const { code, stderr } = await run(['completion', 'tcsh']);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^sentlog: .*Allowed choices are bash, zsh, fish\.\n$/)]);
});

import { describe, expect, test } from 'vitest';
import { answering, log, run, sendJson, wideTerminal } from './run.ts';

describe('colours', () => {
  const groups = { ACCEPTED: 0, PENDING: 1, UNDELIVERABLE: 2, DELIVERED: 3, EXPIRED: 0, REJECTED: 0 };
  const summary = { from: 'a', to: 'b', bucketMs: 1, complete: true, total: 6, groups, buckets: [] };
  const answers: Readonly<Record<string, unknown>> = {
    '/messenger/1/logs': { results: [log('m')] },
    '/messenger/1/logs/summary': summary,
    '/messenger/1/messages/m': { ...log('m'), timeline: [] },
    '/health/ready': { status: 'ready', damaged: 1 },
  };
  const terminal = { TERM: 'xterm-256color', ...wideTerminal(120) };

  const shown = async (args: readonly string[], settings: Readonly<Record<string, string>>) => {
    const url = await answering(({ request, response }) =>
      sendJson(response, answers[new URL(request.url ?? '', 'http://x').pathname]),
    );
    const env = { SENTLOG_URL: url, ...(args[0] !== 'health' && { SENTLOG_KEY: 'k' }), ...settings };
    const { code, stdout } = await run(args, { env });
    expect(code).toBe(0);
    expect(stdout).not.toBe('');
    return stdout;
  };

  test.each([['query'], ['summary'], ['message', 'm'], ['health']])(
    '%s → on a terminal that has them, and the same words without where NO_COLOR is set',
    async (...args) => {
      const coloured = await shown(args, terminal);
      expect(coloured).toMatch(/\u001b\[3[123]m/);
      const plain = await shown(args, { ...terminal, NO_COLOR: '1' });
      expect(plain).not.toContain('\u001b');
      expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain);
    },
  );

  test.each([
    ['in a pipe', [], { TERM: terminal.TERM }],
    ['with --json', ['--json'], terminal],
    ['with --no-color', ['--no-color'], { ...terminal, FORCE_COLOR: '1' }],
  ])('%s → none', async (_, flags, settings) => {
    expect(await shown(['query', ...flags], settings)).not.toContain('\u001b');
    expect(await shown([...flags.filter(flag => flag !== '--json'), 'query', '--json'], settings)).not.toContain(
      '\u001b',
    );
  });
});

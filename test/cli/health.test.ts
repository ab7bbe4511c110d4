import { describe, expect, test } from 'vitest';
import { answering, oneLine, refusal, run, sendJson, wideTerminal } from './run.ts';

/** A script by which whatever is fetched is fetched from one server. */
const proxied = (url: string) =>
  `const { fetch } = globalThis;globalThis.fetch = (from, options) => fetch(new URL(new URL(from).pathname, '${url}'), options);`;

describe('health', () => {
  test.each([
    [200, { status: 'ready', damaged: 0 }, 0, 'ready\n'],
    [200, { status: 'ready', damaged: 2, away: 0, pausedSenders: 1 }, 0, 'ready\ndamaged: 2\npaused senders: 1\n'],
    [
      200,
      {
        status: 'ready',
        damaged: 1,
        away: 1,
        details: { damaged: [{ name: 'a.db', reason: 'cut' }], away: [{ name: 'worker-2' }] },
      },
      0,
      'ready\ndamaged: a.db: cut\naway: worker-2\n',
    ],
    // As 0.1.0 told it, and what came between.
    [200, { status: 'ready', damaged: [], away: [], pausedSenders: [] }, 0, 'ready\n'],
    [
      200,
      {
        status: 'ready',
        damaged: [{ name: 'a.db', reason: 'cut' }],
        away: [{ name: 'worker-2' }],
        ...{ pausedSenders: [{ sender: 'page', reason: 'refused' }], mirrorsBehind: [{ mirror: 'm', reason: 'old' }] },
      },
      0,
      'ready\ndamaged: a.db: cut\naway: worker-2\npaused senders: page: refused\nmirrors behind: m: old\n',
    ],
    [
      503,
      { ...refusal(503), violations: [{ property: 'store', violation: 'cannot record: full' }] },
      1,
      'not ready\ncannot record: full\n',
    ],
  ])('%d %j → exit code %d', async (status, body, exitCode, told) => {
    const url = await answering(({ request, response }) => {
      expect(request.url).toBe('/health/ready');
      sendJson(response, body, status);
    });
    const env = { SENTLOG_KEY: '', ...wideTerminal(80) };
    expect(await run(['health', '--url', url], { env })).toEqual({ code: exitCode, stdout: told, stderr: '' });
    expect(JSON.parse((await run(['health', '--url', url])).stdout)).toEqual(body);
  });

  test('the token for /metrics, by flag or variable → shown to the server', async () => {
    const token = 'a'.repeat(32);
    const shown: unknown[] = [];
    const url = await answering(({ request, response }) => {
      shown.push(request.headers.authorization);
      sendJson(response, { status: 'ready', damaged: 0 }, 200);
    });
    await run(['health', '--url', url]);
    await run(['health', '--url', url, '--metrics-token', token]);
    await run(['health', '--url', url], { env: { SENTLOG_METRICS_TOKEN: `${token},${'b'.repeat(32)}` } });
    expect(shown.splice(0)).toEqual([undefined, `Bearer ${token}`, `Bearer ${token}`]);
    // Of a server beside: none that it could not have been given, and none for what may be another machine.
    const elsewhere = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(proxied(url))}` };
    expect(await run(['health', '--url', url], { env: { SENTLOG_METRICS_TOKEN: 'short' } })).toMatchObject({ code: 0 });
    const env = { ...elsewhere, SENTLOG_METRICS_TOKEN: token };
    expect(await run(['health', '--url', 'http://log.example'], { env })).toMatchObject({ code: 0 });
    expect(await run(['health', '--url', 'http://log.example', '--metrics-token', token], { env })).toMatchObject({
      code: 0,
    });
    expect(shown).toEqual([undefined, undefined, `Bearer ${token}`]);
    const { code, stderr } = await run(['health', '--url', url, '--metrics-token', 'short']);
    expect({ code, said: oneLine(stderr) }).toEqual({ code: 1, said: expect.stringContaining('--metrics-token: ') });
  });

  test('nobody there, or somebody else → one line, exit code 1', async () => {
    const url = await answering(({ response }) => response.end('<html>'));
    for (const [where, line] of [
      [url, /does not answer as a sentlog server does$/],
      ['http://127.0.0.1:1', /no answer from/],
    ] as const) {
      const { code, stderr } = await run(['health', '--url', where]);
      expect(code).toBe(1);
      expect(oneLine(stderr)).toMatch(line);
    }
  });
});

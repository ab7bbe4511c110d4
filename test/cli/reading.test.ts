import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { answering, launcher, log, oneLine, refusal, run, sendJson, wideTerminal } from './run.ts';

describe('summary', () => {
  const groups = { ACCEPTED: 0, PENDING: 1, UNDELIVERABLE: 2, DELIVERED: 3, EXPIRED: 0, REJECTED: 0 };
  const row = (messages: number) => ({
    error: 'EC_A',
    campaignReferenceId: 'summer',
    messages,
    failed: 2,
    deliveryMs: { count: 1, p50: 1500 },
    prices: [{ currency: 'EUR', sum: 0.3, count: 2 }],
  });
  const figures = (messages: number) => ({
    from: 'a',
    to: 'b',
    bucketMs: 60_000,
    complete: true,
    total: messages,
    groups,
    buckets: [],
    deliveryMs: { count: 3, p50: 90, p95: 2000 },
    prices: [{ currency: 'EUR', sum: 0.45, count: 3 }],
    failures: {},
    breakdown: { by: ['error', 'campaignReferenceId'], rows: [row(messages)], more: 4 },
  });

  test('fields, rows, a range and a filter → asked for; a table on a terminal, JSON in a pipe', async () => {
    const asked: string[] = [];
    const at = '2026-11-28T09:12:10.839+0000';
    const told = { ...figures(6), from: at, to: at, compared: { ...figures(9), complete: false } };
    const url = await answering(({ request, response }) => {
      asked.push(decodeURIComponent(request.url ?? ''));
      sendJson(response, told);
    });
    const env = { SENTLOG_URL: url, SENTLOG_KEY: 'k' };
    const flags = '--by error --by campaignReferenceId --first 1 --compare yesterday --sender s'.split(' ');
    expect(JSON.parse((await run(['summary', ...flags], { env })).stdout)).toEqual(told);
    const query = 'sender=s&buckets=1&by=error,campaignReferenceId&first=1&compare=yesterday';
    expect(asked).toEqual([`/messenger/1/logs/summary?${query}`]);
    const { stdout, stderr } = await run(['summary', ...flags], { env: { ...env, ...wideTerminal(91) } });
    expect(stderr).toBe('yesterday: not all could be counted: what is missing is unknown, and not 0\n');
    const lines = stdout.split('\n').map(line => line.trim().split(/ {2,}/).join('|'));
    for (const line of [
      `${at} – ${at}`,
      'asked for|yesterday',
      'messages|6|9',
      'delivered within, median|90 ms|90 ms',
      'ERROR|CAMPAIGN REFERENCE ID|MESSAGES|MESSAGES THEN|FAILED|FAILED THEN|MEDIAN|COST',
      'EC_A|summer|6|9|2|2|1.5 s|0.3 EUR',
      'and 4 more',
    ])
      expect(lines).toContain(line);
  });

  test('a field that there is not → refused in one line', async () => {
    const { code, stderr } = await run(['summary', '--by', 'status'], { env: { SENTLOG_KEY: 'k' } });
    expect(code).toBe(1);
    expect(oneLine(stderr)).toContain('are sender, campaignReferenceId, applicationId, entityId, error');
  });
});

describe('query', () => {
  test('every filter → asked for as the API names it; logs as NDJSON in a pipe', async () => {
    let asked: URLSearchParams | undefined;
    const url = await answering(({ request, response }) => {
      asked = new URL(request.url ?? '', 'http://x').searchParams;
      expect(request.headers.authorization).toBe('App the-key');
      sendJson(response, { results: [log('1'), log('2')] });
    });
    const filters = {
      sender: 's',
      destination: 'd',
      'bulk-id': 'b',
      'message-id': 'm',
      'general-status': 'DELIVERED',
      'sent-since': '2026-03-01T00:00:00+0100',
      'sent-until': '2026-03-02T00:00:00Z',
      'entity-id': 'e',
      'application-id': 'a',
      'campaign-reference-id': 'c',
      limit: '7',
    };
    const flags = Object.entries(filters).flatMap(([name, value]) => [`--${name}`, value]);
    const more =
      '--bulk-id b2 --general-status REJECTED --error-name EC_A --error-id 7003 --not-sender s --not-bulk-id a,b';
    const { code, stdout } = await run(['query', ...flags, ...more.split(' '), '--not-general-status', 'PENDING'], {
      env: { SENTLOG_URL: url, SENTLOG_KEY: 'the-key' },
    });
    expect(code).toBe(0);
    expect(stdout).toBe(`${JSON.stringify(log('1'))}\n${JSON.stringify(log('2'))}\n`);
    expect([...(asked ?? [])]).toEqual([
      ['sender', 's'],
      ['destination', 'd'],
      ['bulkId', 'b'],
      ['bulkId', 'b2'],
      ['messageId', 'm'],
      ['generalStatus', 'DELIVERED'],
      ['generalStatus', 'REJECTED'],
      ['errorName', 'EC_A'],
      ['errorId', '7003'],
      ['entityId', 'e'],
      ['applicationId', 'a'],
      ['campaignReferenceId', 'c'],
      ['sentSince', '2026-03-01T00:00:00+0100'],
      ['sentUntil', '2026-03-02T00:00:00Z'],
      ['limit', '7'],
      ['sender[not]', 's'],
      ['bulkId[not]', 'a\\,b'],
      ['generalStatus[not]', 'PENDING'],
    ]);
  });

  test.each([
    ['one page', []],
    ['pages', ['--all']],
  ])(
    'numbers, keys and spaces that reading would change, of %s → as the server wrote them, a log a line',
    async (_, flags) => {
      const contents = [
        '{"type":"TEXT","text":"results\\"",   "recipientId":10150098461530577,"big":781250306873012345,"n":1e-400}',
        '{"b":1,"2":[{"results":"x"}],\r\n"1":-0.0,"b":2,"text":"a\\nb","type":"TEXT"}',
      ];
      const texts = contents.map((content, i) =>
        JSON.stringify(log(`m${i}`)).replace(/"content":\{[^}]*\}/, `"content":${content}`),
      );
      const url = await answering(({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(`{"results": [${texts.join(' ,\n')}],"cursor":{"limit":1000}}`);
      });
      const { code, stdout } = await run(['query', '--url', url, '--key', 'k', ...flags]);
      expect(code).toBe(0);
      expect(stdout).toBe(texts.map(text => `${text.replace('\r\n', '  ')}\n`).join(''));
    },
  );

  let since = '';
  /** A query to a server that has nothing, and notes from when on it was asked. */
  const asking = async () => {
    const url = await answering(({ request, response }) => {
      since = new URL(request.url ?? '', 'http://x').searchParams.get('sentSince') ?? '';
      sendJson(response, { results: [] });
    });
    return ['query', '--url', url, '--key', 'k'];
  };

  test('--sent-since 2h → two hours back from now', async () => {
    const before = Date.now();
    await run([...(await asking()), '--sent-since', '2h']);
    expect(Date.parse(since)).toBeGreaterThanOrEqual(before - 7_200_000);
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now() - 7_200_000);
  });

  test('--all and a limit above one page → walks the cursor, waiting when told to', async () => {
    let requests = 0;
    const url = await answering(({ request, response }) => {
      requests++;
      if (requests === 2) return sendJson(response, refusal(429), 429, { 'retry-after': '0' });
      const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('cursor') ?? 0);
      const results = Array.from({ length: 1000 }, (_, n) => log(`${at}-${n}`));
      return sendJson(response, { results, cursor: { limit: 1000, ...(at < 2 && { nextCursor: String(at + 1) }) } });
    });
    const all = await run(['query', '--url', url, '--key', 'k', '--all']);
    expect(all.code).toBe(0);
    expect(all.stderr).toContain('trying again');
    expect(new Set(all.stdout.trim().split('\n')).size).toBe(3000);
    const some = await run(['query', '--url', url, '--key', 'k', '--limit', '1500']);
    expect(some.stdout.trim().split('\n')).toHaveLength(1500);
  });

  test('a refusal → the reason in one line by the flag that was given, exit code 1', async () => {
    const violations = ['errorId', 'campaignReferenceId[not]', 'limit'].map(property => ({
      property,
      violation: 'is odd',
    }));
    const url = await answering(({ response }) => sendJson(response, { ...refusal(400), violations }, 400));
    const { code, stderr } = await run(['query', '--url', url, '--key', 'k']);
    expect(code).toBe(1);
    const told = 'errorId: is odd; campaignReferenceId[not]: is odd; limit: is odd';
    expect(oneLine(stderr)).toBe(`sentlog: E400 Refused.; ${told}`);
    const flags = ['--error-id', 'x', '--not-campaign-reference-id= '];
    expect(oneLine((await run(['query', '--url', url, '--key', 'k', ...flags])).stderr)).toBe(
      'sentlog: E400 Refused. --error-id: is odd; --not-campaign-reference-id: is odd; limit: is odd',
    );
  });

  test('a date → the beginning of that day where the command runs', async () => {
    const query = await asking();
    for (const [zone, expected] of [
      ['Europe/Zagreb', '2026-11-27T23:00:00.000Z'],
      ['America/New_York', '2026-11-28T05:00:00.000Z'],
    ] as const) {
      const range = ['--sent-since', '2026-11-28', '--sent-until', expected];
      const { stderr } = await run([...query, ...range], { env: { TZ: zone } });
      expect(oneLine(stderr)).toMatch(/ends where it begins/);
      expect(new Date(since).toISOString()).toBe(expected);
    }
  });

  test('a key that the server refuses → where the key comes from', async () => {
    const url = await answering(({ response }) => sendJson(response, refusal(401), 401));
    const { code, stderr } = await run(['query', '--url', url, '--key', 'k']);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe(
      'sentlog: E401 Refused. Is the key right? --key or SENTLOG_KEY gives it; `sentlog keys list` shows which ones there are.',
    );
  });

  test('a terminal of 80 columns → the id of each message whole', async () => {
    const id = 'e5e2f8a0-3a3c-4a8e-9a57-1f3c9f0f2b11';
    const url = await answering(({ response }) => sendJson(response, { results: [log(id)] }));
    const lines = (await run(['query', '--url', url, '--key', 'k'], { env: wideTerminal(80) })).stdout.split('\n');
    expect(lines[1]?.startsWith(`${id}  2026-03-01`)).toBe(true);
    const json = await run(['query', '--json', '--url', url, '--key', 'k'], { env: wideTerminal(80) });
    expect(JSON.parse(json.stdout)).toEqual(log(id));
  });

  test('a reader that has seen enough → silent', async () => {
    const url = await answering(({ response }) => {
      const results = Array.from({ length: 1000 }, (_, n) => log(String(n)));
      sendJson(response, { results, cursor: { limit: 1000, nextCursor: 'more' } });
    });
    const script = '"$0" "$1" query --url "$2" --key k --all | head -n 1';
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', script, process.execPath, launcher, url]);
    expect(JSON.parse(stdout)).toEqual(log('0'));
    expect(stderr).toBe('');
  });
});

describe('message', () => {
  const message = {
    ...log('m 1/2'),
    seenAt: '2026-03-01T12:00:09.000+0000',
    timeline: [
      {
        at: '2026-03-01T12:00:00.000+0000',
        status: log('').status,
        error: log('').error,
        receivedAt: '2026-03-01T12:00:01.000+0000',
      },
    ],
  };

  test('content with numbers that no program holds, in any layout → told as it was recorded', async () => {
    const content = '{"type": "A",\n "n": 12345678901234567890, "m": 1.10, "n": 2}';
    const text = JSON.stringify(message).replace(JSON.stringify(message.content), content);
    expect(text).toContain(content);
    const url = await answering(({ response }) => response.end(text));
    const at = ['--url', url, '--key', 'k'];
    expect((await run(['message', 'm 1/2', ...at])).stdout).toBe(`${text.replace('\n', ' ')}\n`);
    const { stdout } = await run(['message', 'm 1/2', ...at], { env: { ...wideTerminal(80), NO_COLOR: '1' } });
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(content.replaceAll(/\s+/g, ' '));
  });

  test('one id → its JSON in a pipe, its fields and timeline on a terminal, nothing in it steers that', async () => {
    const paths: (string | undefined)[] = [];
    const steering = { ...message, content: { type: 'TEXT', text: 'a\u009b31mb' } };
    const url = await answering(({ request, response }) => {
      paths.push(request.url);
      sendJson(response, paths.length === 1 ? message : steering);
    });
    const piped = await run(['message', 'm 1/2', '--url', url, '--key', 'k']);
    expect(JSON.parse(piped.stdout)).toEqual(message);
    const { stdout } = await run(['message', 'm 1/2', '--url', url, '--key', 'k'], {
      env: { ...wideTerminal(80), NO_COLOR: '1' },
    });
    expect(stdout).toContain('message id   m 1/2\n');
    expect(stdout).toMatch(/seen at +2026-03-01T12:00:09.000\+0000\n/);
    expect(stdout).toMatch(/\n2026-03-01T12:00:00.000\+0000 {2}PENDING_ACCEPTED {2}2026-03-01T12:00:01.000\+0000\n$/);
    expect(stdout).not.toMatch(/[\u001b\u009b]/);
    expect(paths).toEqual(['/messenger/1/messages/m%201%2F2', '/messenger/1/messages/m%201%2F2']);
  });

  test('an id that nobody has → the reason, exit code 1', async () => {
    const url = await answering(({ response }) => sendJson(response, refusal(404), 404));
    const { code, stderr } = await run(['message', 'x', '--url', url, '--key', 'k']);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe('sentlog: there is no message "x", or none that this key may see');
  });
});

describe('tail', () => {
  test('what comes → a line each; a lost connection goes on where it was; the end says from where to go on', async () => {
    const asked: (string | undefined)[] = [];
    const text = (id: number) =>
      JSON.stringify({ ...log(String(id)), price: 1 }).replace('"price":1', '"further": 12345678901234567890');
    const event = (id: number) => `id: ${id}\nevent: log\ndata: ${text(id)}\n\n`;
    const url = await answering(({ request, response }) => {
      asked.push(request.headers['last-event-id']?.toString());
      if (asked.length > 2) return sendJson(response, refusal(403), 403);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(event(asked.length));
    });
    const { code, stdout } = await run(['tail', '--after', '0', '--sender', 's', '--url', url, '--key', 'k']);
    expect(code).toBe(1);
    expect(stdout).toBe(`${text(1)}\n${text(2)}\n`);
    expect(asked).toEqual(['0', '1', '2']);
  });

  test('told to stop → exit code 0, and from where to go on', async () => {
    const url = await answering(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`id: 7\nevent: log\ndata: ${JSON.stringify(log('7'))}\n\n`);
    });
    const child = spawn(process.execPath, [launcher, 'tail', '--url', url, '--key', 'k']);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'to go on from here: --after 7\n' });
  });
});

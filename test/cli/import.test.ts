import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { answering, log, oneLine, onTerminal, refusal, run, sendJson } from './run.ts';

describe('import', () => {
  const outcome = (recorded: number, rejected: readonly unknown[] = []) => ({
    recorded,
    updated: 0,
    unchanged: 0,
    rejected,
  });

  test('file → sent in chunks of at most ten thousand lines, as they stand; a last line with the figures', async () => {
    const bodies: string[] = [];
    const url = await answering(({ request, body, response }) => {
      expect(request.headers['content-type']).toBe('application/x-ndjson');
      bodies.push(body);
      sendJson(response, outcome(body.split('\n').length));
    });
    const lines = Array.from({ length: 25_000 }, (_, n) => `{"messageId":"${n}"}`);
    const file = join(temporaryFolder(), 'in.ndjson');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { code, stdout, stderr } = await run(['import', '--url', url, '--key', 'k', file]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(oneLine(stderr)).toMatch(
      /^25000 recorded, 0 updated, 0 unchanged, 0 rejected in \d+\.\d s \(\d+ a second\)$/,
    );
    expect(bodies.join('\n').split('\n')).toEqual(lines);
    expect(Math.max(...bodies.map(body => body.split('\n').length))).toBe(10_000);
  });

  test('on a terminal → a bar with rate and time left', async () => {
    const url = await answering(({ body, response }) => sendJson(response, outcome(body.split('\n').length)));
    const file = join(temporaryFolder(), 'in.ndjson');
    writeFileSync(file, Array.from({ length: 20_000 }, (_, n) => `{"messageId":"${n}"}\n`).join(''));
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', file], { env: onTerminal });
    expect(stderr).toMatch(/ 0 %, 0 records, 0 a second, .+ left/);
    expect(stderr).toMatch(/ 100 %, 20000 records, \d+ a second, .+ left/);
    expect(code).toBe(0);
  });

  test('rejected records → named by their line, exit code 1', async () => {
    const url = await answering(({ body, response }) => {
      expect(body).toBe('{"messageId":"a"}\n{"messageId":"b"}\nnonsense');
      const violations = [
        { property: 'sender', violation: 'is missing' },
        { property: 'content', violation: 'is missing' },
      ];
      const rejected = [
        { index: 1, messageId: 'b', violations },
        { index: 2, violations: [{ property: '', violation: 'is not JSON' }] },
      ];
      sendJson(response, outcome(1, rejected));
    });
    const long = 'x'.repeat(300_000);
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', '-'], {
      stdin: `{"messageId":"a"}\n\n${long}\n{"messageId":"b"}\nnonsense\n`,
    });
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.slice(0, -1)).toEqual([
      'line 3: is longer than 262144 bytes',
      'line 4: b: sender is missing; content is missing',
      'line 5: is not JSON',
    ]);
    expect(lines.at(-1)).toMatch(/^1 recorded, 0 updated, 0 unchanged, 3 rejected/);
  });

  test('nothing but bad records, more than the server lists → all counted', async () => {
    const violations = [{ property: 'results[0].sender', violation: 'is missing' }];
    const url = await answering(({ response }) => sendJson(response, { ...refusal(400), violations }, 400));
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', '-'], { stdin: '{}\n{}\n{}\n' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^line 1: sender is missing\nlines 1 to 3: 2 more were rejected\n0 recorded.* 3 rejected/);
  });

  test('an answer of the API as input → its records', async () => {
    const url = await answering(({ body, response }) => {
      expect(body.split('\n').map(line => JSON.parse(line))).toEqual([log('1'), log('2')]);
      sendJson(response, outcome(2));
    });
    const stdin = JSON.stringify({ results: [log('1'), log('2')], cursor: { limit: 2 } }, null, 2);
    expect((await run(['import', '--url', url, '--key', 'k', '-'], { stdin })).code).toBe(0);
  });

  test('a server that is busy, then hangs up, then answers → each chunk got through', async () => {
    let requests = 0;
    const url = await answering(({ response }) => {
      requests++;
      if (requests === 1) sendJson(response, refusal(503), 503, { 'retry-after': '0' });
      else if (requests === 2) response.destroy();
      else sendJson(response, outcome(1));
    });
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', '-'], { stdin: '{}\n' });
    expect(code).toBe(0);
    expect(requests).toBe(3);
    expect(stderr).toContain('1 recorded');
  });

  test('a folder in place of a file → said so, nothing sent', async () => {
    const folder = temporaryFolder();
    const { code, stderr } = await run(['import', '--key', 'k', folder]);
    expect(code).toBe(1);
    expect(stderr).toBe(`sentlog: ${folder} is a folder, and not a file\n`);
  });

  test('a key that may not write → one attempt, the reason, what was done so far', async () => {
    let requests = 0;
    const url = await answering(({ response }) => {
      requests++;
      sendJson(response, refusal(403), 403);
    });
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', '-'], { stdin: '{}\n' });
    expect(code).toBe(1);
    expect(requests).toBe(1);
    expect(stderr).toMatch(/^0 recorded[^\n]*\nsentlog: E403 Refused\. .*scope messenger:logs:write.*SENTLOG_KEY.*\n$/);
  });

  test('input larger than memory should hold → streamed', async () => {
    let bytes = 0;
    const url = await answering(({ body, response }) => {
      bytes += body.length;
      sendJson(response, outcome(body.split('\n').length));
    });
    const line = `{"messageId":"a","content":{"type":"TEXT","text":"${'x'.repeat(10_000)}"}}\n`;
    async function* endless() {
      const chunk = Buffer.from(line.repeat(100));
      for (let n = 0; n < 150; n++) yield chunk;
    }
    const { code, stderr } = await run(['import', '--url', url, '--key', 'k', '-'], {
      stdin: endless(),
      env: { NODE_OPTIONS: '--max-old-space-size=64' },
    });
    expect(stderr).toContain('15000 recorded');
    expect(code).toBe(0);
    expect(bytes).toBeGreaterThan(150_000_000);
  });
});

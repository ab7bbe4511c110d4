import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorAnswer, type LogCalls, numbered, recordAnswer } from '../support/log-calls.ts';
import { isThorough } from '../support/properties.ts';
import { upload } from '../support/raw-http.ts';
import { MemoryWatch, ServerHome, type ServerProcess } from '../support/server-process.ts';

const mebibyte = 1024 * 1024;
const home = new ServerHome();
let server: ServerProcess;
let calls: LogCalls;

beforeAll(async () => {
  // Helpers of the garbage collector that get no core on a busy machine would let memory grow that nobody holds.
  server = await home.serve({ nodeArgs: ['--single-threaded-gc'] });
  calls = home.calls(server);
});
afterAll(() => home.remove());

function* repeated(piece: Buffer, times: number) {
  for (let i = 0; i < times; i++) yield piece;
}

function expectGrownLessThan(watch: MemoryWatch, bytes: number, what: string): void {
  const grown = watch.grownBytes() ?? 0;
  console.info(`${what}: the server grew by ${Math.round(grown / mebibyte)} MiB`);
  expect(grown).toBeLessThan(bytes);
}

async function expectServes(messageId: string): Promise<void> {
  expect(await calls.record([{ ...numbered(0), messageId }])).toMatchObject({ recorded: 1 });
  expect((await calls.page(`messageId=${messageId}`)).logs).toHaveLength(1);
}

const lineCount = isThorough ? 1_000_000 : 300_000;

test(`${lineCount} lines, every tenth broken → all of those counted, the first told by their index, the rest recorded`, async () => {
  // The first of all: what others had the server take it would use again.
  const watch = new MemoryWatch(server.pid);
  const linesPerPiece = 1000;
  const broken = (id: string) => [
    '{"messageId":',
    'null',
    JSON.stringify({ messageId: id }),
    JSON.stringify({ ...numbered(0), messageId: id, status: { name: 'NO_SUCH_STATUS' } }),
    JSON.stringify({ ...numbered(0), messageId: id, content: 'text' }),
  ];
  function* body() {
    for (let piece = 0; piece < lineCount / linesPerPiece; piece++) {
      const lines = Array.from({ length: linesPerPiece }, (_, i) => {
        const messageId = `million-${piece * linesPerPiece + i}`;
        if (i % 10 === 9) return broken(messageId)[((i - 9) / 10) % 5];
        return `{"messageId":"${messageId}","sender":"page","destination":"person-${i}","content":{"type":"TEXT","text":"x"}}`;
      });
      yield Buffer.from(`${lines.join('\n')}\n`);
    }
  }
  const answer = await upload(calls, body(), { type: 'application/x-ndjson' });
  const { recorded, rejected, rejectedCount } = recordAnswer(answer);
  expect(recorded).toBe(0.9 * lineCount);
  expect(rejectedCount).toBe(0.1 * lineCount);
  expect(rejected).toHaveLength(1000);
  expect(rejected.every(({ index }, i) => index === i * 10 + 9)).toBe(true);
  expectGrownLessThan(watch, 150 * mebibyte, `${lineCount} lines`);
  expect((await calls.page(`messageId=million-0,million-9,million-${lineCount - 2}`)).logs).toHaveLength(2);
  await expectServes('after-million');
});

test.each([
  ['announced', { lengthBytes: 100 * mebibyte }],
  ['in chunks', {}],
])('100 MiB of junk as JSON, %s → 413 without reading it into memory', async (name, length) => {
  const watch = new MemoryWatch(server.pid);
  const junk = repeated(Buffer.alloc(mebibyte, 'x'), 100);
  const answer = await upload(calls, junk, { type: 'application/json', ...length });
  expect(answer.status).toBe(413);
  expect(errorAnswer(answer).errorCode).toBe('E413');
  expectGrownLessThan(watch, 64 * mebibyte, `100 MiB of JSON ${name}`);
  await expectServes(`after-junk-${name.replace(' ', '-')}`);
});

test('100 MiB of junk as NDJSON lines → 400 with every line counted, in bounded memory', async () => {
  const watch = new MemoryWatch(server.pid);
  const lines = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(1024));
  const answer = await upload(calls, repeated(lines, 100), { type: 'application/x-ndjson' });
  expect(answer.status).toBe(400);
  expect(errorAnswer(answer).violations.length).toBeGreaterThan(0);
  expectGrownLessThan(watch, 200 * mebibyte, '100 MiB of NDJSON junk');
  await expectServes('after-junk-lines');
});

test('150 MiB of sound records with long contents → all recorded, in bounded memory', async () => {
  const watch = new MemoryWatch(server.pid);
  const text = 'x'.repeat(20_000);
  function* body() {
    for (let i = 0; i < 7500; i++)
      yield Buffer.from(
        `${JSON.stringify({ ...numbered(0), messageId: `long-${i}`, content: { type: 'TEXT', text } })}\n`,
      );
  }
  const { recorded } = recordAnswer(await upload(calls, body(), { type: 'application/x-ndjson' }));
  expect(recorded).toBe(7500);
  expectGrownLessThan(watch, 150 * mebibyte, '150 MiB of long contents');
});

test('one line of 100 MiB between two sound ones → only that one is rejected, without being held', async () => {
  const watch = new MemoryWatch(server.pid);
  function* body() {
    yield Buffer.from(`${JSON.stringify({ ...numbered(0), messageId: 'before-long' })}\n`);
    yield* repeated(Buffer.alloc(mebibyte, 'x'), 100);
    yield Buffer.from(`\n${JSON.stringify({ ...numbered(0), messageId: 'after-long' })}\n`);
  }
  const { recorded, rejected } = recordAnswer(await upload(calls, body(), { type: 'application/x-ndjson' }));
  expect(recorded).toBe(2);
  expect(rejected.map(one => one.index)).toEqual([1]);
  expectGrownLessThan(watch, 150 * mebibyte, 'a line of 100 MiB');
  expect((await calls.page('messageId=before-long,after-long')).logs).toHaveLength(2);
});

test.each([
  ['arrays', '[', ']'],
  ['objects', '{"a":', '}'],
])('JSON nested a million deep (%s) → 400, not the end of the server', async (name, open, close) => {
  const deep = `${open.repeat(1_000_000)}1${close.repeat(1_000_000)}`;
  for (const body of [deep, `{"results":${deep}}`, `{"results":[${deep}]}`]) {
    const answer = await calls.postText(body, 'application/json');
    expect(answer.status).toBe(400);
    errorAnswer(answer);
  }
  await expectServes(`after-deep-${name}`);
});

test.each([
  ['arrays', '[', ']'],
  ['objects', '{"a":', '}'],
])(
  'content nested ten thousand deep (%s) → that record is rejected, the others are recorded',
  async (name, open, close) => {
    const { content: _, ...rest } = numbered(0);
    const deep = `${open.repeat(10_000)}1${close.repeat(10_000)}`;
    const record = (id: string, content: string) =>
      `${JSON.stringify({ ...rest, messageId: id }).slice(0, -1)},"content":${content}}`;
    const records = ['before', 'deep', 'after'].map(place =>
      record(`${place}-${name}`, place === 'deep' ? `{"type":"TEXT","text":${deep}}` : '{"type":"TEXT","text":"flat"}'),
    );
    const forms = [
      [records.join('\n'), 'application/x-ndjson'],
      [`{"results":[${records.join()}]}`, 'application/json'],
    ] as const;
    for (const [body, type] of forms) {
      const { rejected, recorded, unchanged } = recordAnswer(await calls.postText(body, type));
      expect(rejected.map(one => one.index)).toEqual([1]);
      expect(recorded + unchanged).toBe(2);
    }
    expect(await calls.history(`deep-${name}`)).toBeUndefined();
  },
);

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { AccountId, Submission } from '../../../src/domain/message.ts';
import { noError, pendingAccepted } from '../../../src/domain/registry.ts';
import { askedKeysOf } from '../../../src/domain/text-keys.ts';
import { textMatcher } from '../../../src/domain/text-search.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { LiveWords } from '../../../src/store/embedded/search/live-words.ts';
import { IndexFile, writeIndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { WordsMaker } from '../../../src/store/embedded/segment/words-file.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { SqliteLog, until } from '../../support/sqlite-log.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
const segmentMessages = 700;
const accounts: readonly AccountId[] = [1, 2];

const hex = (i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 0;
/** Words of every frequency, some in few messages of one segment, and two in odd letters. */
function submissionOf(i: number): Submission {
  const words = ['hello', `tenth${i % 10}`, `fiftieth${i % 50}`, `rare${i % 997}`, i % 301 === 0 ? 'Žlutý 東京' : ''];
  return {
    messageId: `${hex(i).toString(16)}-${hex(i * 7).toString(16)}`,
    sender: i % 3 === 0 ? 'shop' : 'DHL',
    destination: String(hex(i * 31)),
    sentAt: now - ((i * 7919) % 2000) * 1000,
    contentJson: JSON.stringify({ type: 'TEXT', text: words.join(' ') }),
    ...(i % 400 === 0 && { campaignReferenceId: 'Summer sale' }),
  };
}

let dataDir: string;
let log: SimulatedLog;
const model = new MemoryStore();

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'sentlog-words-'));
  log = new SimulatedLog(dataDir, systemDisk, segmentMessages);
  for (let i = 0; i < 3 * segmentMessages + 200; i += 100) {
    const submissions = Array.from({ length: 100 }, (_, j) => submissionOf(i + j));
    // The other account has few in each segment, too few to have their words told.
    for (const [account, own] of [
      [1, submissions.slice(0, 90)],
      [2, submissions.slice(90)],
    ] as const) {
      const batch = { account, binding: {}, receivedAt: now, sentSince: 0, submissions: own };
      log.record(batch);
      await model.record(batch);
    }
    log.seal();
  }
  return () => {
    log.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
});

const texts = [
  ...[
    'hello',
    'HELLO tenth3',
    'fiftieth7',
    'rare3',
    'rare996',
    'tenth4 fiftieth14',
    'tenth4 fiftieth15',
    '"hello tenth3"',
  ],
  ...[
    'zluty',
    '京',
    '東京',
    '京東',
    'absent',
    'hello absent',
    'dhl',
    'shop rare9',
    'summer',
    '"summer sale" hello',
    'mer s',
  ],
  ...[hex(5).toString(16), hex(5).toString(16).slice(2, 7), `${hex(9)}`.slice(-5), 'rare3 hello dhl'],
];
const beside: readonly Filter[] = [{}, { sender: 'shop' }, { sentSince: now - 900_000 }, { not: { text: 'tenth3' } }];

async function expectSame(): Promise<number> {
  let found = 0;
  for (const [i, text] of texts.entries()) {
    const filter = { text, ...beside[i % beside.length] };
    for (const account of i % 3 === 0 ? accounts : [1]) {
      const { logs } = await model.find({ account, filter, sentSince: 0, limit: 1000, walk: false });
      expect(
        log.logs(account, filter).map(({ messageId }) => messageId),
        JSON.stringify(filter),
      ).toEqual(logs.map(({ messageId }) => messageId));
      found += logs.length;
    }
  }
  return found;
}

/** Counts the messages that have their rows read from now on, of segments with an index or of others, for what is asked. */
function counted(isOfSealed: boolean): (filter: Filter) => number {
  log.reopenForReading();
  const { segments } = log;
  let read = 0;
  const messages = segments.messages.bind(segments);
  segments.messages = places => {
    read += places.filter(({ segmentId }) => log.isSealed(segmentId) === isOfSealed).length;
    return messages(places);
  };
  return filter => {
    const before = read;
    log.logs(1, filter);
    return read - before;
  };
}

describe('words of sealed segments', () => {
  test('any words, over segments with files of words and without → what the reference store finds', async () => {
    expect(await expectSame()).toBeGreaterThan(1000);
    log.makeWords();
    log.reopenForReading();
    const files = new Folder(dataDir);
    for (const id of [1, 2, 3]) expect(existsSync(files.words(id))).toBe(true);
    expect(await expectSame()).toBeGreaterThan(1000);
  });

  test('words that few messages have, or none → few rows are read, or none; parts of ids are looked for in all', () => {
    const rowsReadFor = counted(true);
    const all = rowsReadFor({ text: 'hello' });
    expect(all).toBeGreaterThan(800);
    expect(rowsReadFor({ text: 'absent' })).toBe(0);
    expect(rowsReadFor({ text: 'hello absent' })).toBe(0);
    expect(rowsReadFor({ text: 'rare3' })).toBeLessThanOrEqual(3 * 8);
    expect(rowsReadFor({ text: 'fiftieth7 rare57' })).toBeLessThanOrEqual(3 * 8);
    expect(rowsReadFor({ text: 'rare3', sender: 'shop' })).toBeLessThanOrEqual(3 * 8);
    expect(rowsReadFor({ text: hex(5).toString(16).slice(2, 7) })).toBeGreaterThan(1500);
  });

  test('a segment that takes rows → looked through once, and then those alone that are new or may have the words', async () => {
    const rowsReadFor = counted(false);
    const all = rowsReadFor({ text: 'absent' });
    expect(all).toBeGreaterThan(150);
    expect(rowsReadFor({ text: 'nowhere' })).toBeLessThan(all / 10);
    expect(rowsReadFor({ text: hex(2150).toString(16).slice(1, 6) })).toBe(all);
    const submissions = Array.from({ length: 40 }, (_, i) => submissionOf(10_000 + i));
    const long = {
      ...submissionOf(20_000),
      contentJson: JSON.stringify({ text: submissions.map(({ messageId }) => messageId).join(' ') }),
    };
    const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [...submissions, long] };
    log.record(batch);
    await model.record(batch);
    expect(rowsReadFor({ text: 'nowhere' })).toBeLessThan(41 + all / 10);
    await expectSame();
    await expectSame();
  });

  test('what another looks through while a question goes on → nothing that has the words is denied', () => {
    const logs = Array.from({ length: 40 }, (_, i) => ({
      ...submissionOf(i),
      status: pendingAccepted,
      error: noError,
    }));
    for (const text of ['tenth3', 'dhl', 'summer', 'absent', hex(7).toString(16), `${hex(9 * 31)}`.slice(-5)]) {
      const words = new LiveWords(1, logs.length);
      const mayHave = words.test(1, askedKeysOf(text));
      const having = logs.map(textMatcher(text));
      const denied = logs.flatMap((one, ordinal) => {
        words.learn(1, ordinal, one);
        return having.flatMap((has, i) => (has && !mayHave(i) ? [i] : []));
      });
      expect([text, denied]).toEqual([text, []]);
    }
  });

  test('an account whose ids have more different pieces than there is room for → costs others nothing, and hides nothing', () => {
    const idOf = (i: number) =>
      String.fromCodePoint(0x4e00 + (i % 20_000), 0x4e00 + Math.floor(i / 20_000), 97 + (i % 26));
    const own = { ...submissionOf(0), status: pendingAccepted, error: noError };
    const words = new LiveWords(1, 1402);
    words.learn(2, 0, own);
    const mayHave = (account: AccountId, text: string) => words.test(account, askedKeysOf(text));
    const othersMayHave = mayHave(2, 'absent');
    expect(othersMayHave(0)).toBe(false);
    for (let ordinal = 1; ordinal <= 1400; ordinal++) {
      const messageId = Array.from({ length: 60 }, (_, i) => idOf(ordinal * 60 + i)).join('');
      words.learn(1, ordinal, { ...own, messageId });
    }
    expect(othersMayHave(0)).toBe(false);
    expect(mayHave(2, 'tenth0')(0)).toBe(true);
    expect(mayHave(2, own.messageId.slice(1, 6))(0)).toBe(true);
    expect(mayHave(1, idOf(70))(1)).toBe(true);
    words.learn(2, 1401, { ...own, messageId: 'another-id' });
    expect(mayHave(2, 'another')(1401)).toBe(true);
    expect(mayHave(2, 'absent')(1401)).toBe(false);
  });

  test('segments that are full → the sealer makes their words, which count as bytes and go with them', async () => {
    const own = new SqliteLog({ segmentMessagesMax: 600 });
    onTestFinished(() => own.remove());
    const store = await own.open();
    onTestFinished(() => store.close());
    for (let i = 0; i < 1300; i += 100) {
      const submissions = Array.from({ length: 100 }, (_, j) => submissionOf(i + j));
      await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
    }
    const files = new Folder(own.dataDir);
    await until(() => [1, 2].every(id => existsSync(files.words(id))));
    await until(async () => (await store.stats()).bytes === [1, 2, 3].reduce((sum, id) => sum + files.bytes(id), 0));
    const found = await store.find({ account: 1, filter: { text: 'rare3' }, sentSince: 0, limit: 9, walk: false });
    expect(found.logs.map(({ messageId }) => messageId).toSorted()).toEqual(
      [3, 1000].map(i => submissionOf(i).messageId).toSorted(),
    );
    await store.dropBefore(now + 1);
    await until(() => !existsSync(files.words(1)) && !existsSync(files.words(2)));
  });

  test('a file that is flipped anywhere, cut or removed → the same is found, and it is made again', async () => {
    const path = new Folder(dataDir).words(2);
    const whole = readFileSync(path);
    for (const [i, filter] of texts.map(text => ({ text })).entries()) {
      const bytes = Buffer.from(whole);
      const at = (i * 7919) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (i % 8));
      writeFileSync(path, i % 5 === 0 ? bytes.subarray(0, at) : bytes);
      log.reopenForReading();
      const { logs } = await model.find({ account: 1, filter, sentSince: 0, limit: 1000, walk: false });
      expect(
        log.logs(1, filter).map(({ messageId }) => messageId),
        filter.text,
      ).toEqual(logs.map(({ messageId }) => messageId));
    }
    rmSync(path, { force: true });
    log.reopenForReading();
    expect(log.logs(1, { text: 'rare3' })).not.toEqual([]);
    log.makeWords();
    expect(readFileSync(path)).toEqual(whole);
  });

  test('a file that the disk does not give, or whose words were told apart in another way → the same is found', () => {
    const path = new Folder(dataDir).words(2);
    const whole = readFileSync(path);
    const expected = log.logs(1, { text: 'rare3' });
    const index = new IndexFile(path);
    const { header } = index;
    index.close();
    // As if no word of now had been one then.
    const none = new WordsMaker(header.hashSeed, header.messages).sections(Float64Array.from([1]));
    for (const form of [[], [1], [1, 1, 0], [0, ...none['words.form'].slice(1)]]) {
      writeIndexFile(systemDisk, path, header, { ...none, 'words.form': Uint32Array.from(form) });
      log.reopenForReading();
      expect(log.logs(1, { text: 'rare3' }), form.join()).toEqual(expected);
      log.makeWords();
      expect(readFileSync(path)).toEqual(whole);
    }
    rmSync(path);
    mkdirSync(path);
    log.reopenForReading();
    expect(log.logs(1, { text: 'rare3' })).toEqual(expected);
    expect(existsSync(path)).toBe(true);
    rmdirSync(path);
    log.makeWords();
    expect(readFileSync(path)).toEqual(whole);
  });
});

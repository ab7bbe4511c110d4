import { expect, onTestFinished, test } from 'vitest';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { loadLog } from '../../../src/store/embedded/log/load.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { Reader } from '../../../src/store/embedded/read/reader.ts';
import { AccountWatermarks } from '../../../src/store/embedded/search/account-watermarks.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import { SqliteLog, submission, until } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const segmentMessagesMax = 10;
/** More than a reader keeps rows files of. */
const segments = 150;

/** Counts what is opened: a path is asked for to open its file. */
class CountedFolder extends Folder {
  readonly opened = { rows: 0, indexes: 0 };

  override rows(segmentId: number): string {
    this.opened.rows++;
    return super.rows(segmentId);
  }

  override index(segmentId: number): string {
    this.opened.indexes++;
    return super.index(segmentId);
  }
}

test('pages over many sealed segments → open each index once, and the rows of those segments only that they show', async () => {
  const log = new SqliteLog({ segmentMessagesMax });
  onTestFinished(() => log.remove());
  const store = await log.open();
  onTestFinished(() => store.close());
  const submissions = Array.from({ length: segments * segmentMessagesMax }, (_, number) =>
    submission(number, { sentAt: now + number, destination: `person-${number}`, sender: `sender ${number % 300}` }),
  );
  for (let from = 0; from < submissions.length; from += 500)
    await store.record({
      account: 1,
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: submissions.slice(from, from + 500),
    });
  await until(async () => (await store.stats()).segments >= segments);
  await store.close();

  const folder = new CountedFolder(log.dataDir);
  const logFile = new LogFile(log.dataDir);
  const { hashSeed } = logFile;
  const ledger = new Ledger(log.dataDir);
  onTestFinished(() => ledger.close());
  const loaded = loadLog(folder, ledger, hashSeed, segmentMessagesMax, logFile);
  const read = new ReadSegments(folder, hashSeed);
  onTestFinished(() => read.close());
  for (const { shared, unsealed } of loaded.segments) read.set(shared, unsealed?.columns);
  const sealed = loaded.segments.filter(({ unsealed }) => unsealed === undefined).length;
  expect(sealed).toBeGreaterThan(128);

  const reader = new Reader(read, new AccountWatermarks(read), hashSeed);
  const opened = { ...folder.opened };
  const since = () => ({ rows: folder.opened.rows - opened.rows, indexes: folder.opened.indexes - opened.indexes });
  const found = (filter: object) => {
    const search = reader.search({ account: 1, filter, sentSince: 0, limit: 50, walk: false });
    const logs: string[] = [];
    for (let step = search.next(false); step.done !== true; step = search.next(false))
      logs.push(...step.value.map(one => one.messageId));
    return logs;
  };
  expect(found({ destination: 'nobody' })).toEqual([]);
  expect(since()).toEqual({ rows: 0, indexes: sealed });
  expect(found({ destination: 'person-42' })).toEqual(['message-42']);
  expect(found({ destination: 'person-1042' })).toEqual(['message-1042']);
  expect(since()).toEqual({ rows: 2, indexes: sealed });
  expect(found({ sender: 'sender 7' })).toHaveLength(5);
  expect(since().rows).toBeLessThanOrEqual(7);
  expect(since().indexes).toBe(sealed);
});

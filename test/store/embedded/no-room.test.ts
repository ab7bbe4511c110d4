import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { statusNamed } from '../../../src/domain/registry.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import type { Store } from '../../../src/store/store.ts';
import { bendAt, placesIn } from '../../support/bent-journal.ts';
import { MountedDisk } from '../../support/small-disk.ts';
import { numberedIds, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const status = statusNamed('DELIVERED_TO_HANDSET');
const contentJson = JSON.stringify({ type: 'TEXT', text: 'x'.repeat(40_000) });
const all = numberedIds(0, 101);

/** A sealed segment of 100 messages, one with a report, on a disk that has no room for a copy of it. */
async function crowdedLog() {
  const disk = MountedDisk.mount(14 * 1024 * 1024);
  onTestFinished(() => disk.remove());
  const log = new SqliteLog({ dataDir: join(disk.folder, 'data') });
  const store = await log.open();
  const record = (submissions: Parameters<Store['record']>[0]['submissions']) =>
    store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
  const sent = (number: number) => submission(number, { sentAt: now - number * 1000, contentJson });
  await record(Array.from({ length: 99 }, (_, number) => sent(number)));
  await record([{ messageId: 'message-5', status, doneAt: now + 1000 }]);
  await record([sent(99)]);
  await record([sent(100)]);
  const folder = new Folder(log.dataDir);
  await until(() => existsSync(folder.index(1)));
  disk.fill();
  return { disk, log, store, journal: folder.journal(1) };
}

test.skipIf(!MountedDisk.isAvailable)(
  'rows that do not verify, and no room for a copy of their segment → each costs itself alone, and it is made again once there is',
  async () => {
    const { disk, log, store, journal } = await crowdedLog();
    const { messages, reports } = placesIn(journal);
    bendAt(journal, 'flipped', messages.subarray(7, 8));
    const without = (...numbers: readonly number[]) => all.filter((_, number) => !numbers.includes(number));
    expect(await walkIds(store)).toEqual(without(7));
    const told = async () => (await store.stats()).damaged.map(({ reason }) => reason);
    expect(await told()).toEqual(['1 of its 100 messages and 0 of its 1 reports are lost']);
    expect(await store.history(1, 'message-7', 0)).toBeUndefined();
    expect((await store.history(1, 'message-5', 0))?.log.status).toEqual(status);
    bendAt(journal, 'flipped', [...messages.subarray(9, 10), ...reports.subarray(0, 1)]);
    expect(await walkIds(store)).toEqual(without(7, 9));
    expect((await store.history(1, 'message-5', 0))?.log.status.name).toBe('PENDING_ACCEPTED');
    expect(await told()).toEqual(['2 of its 100 messages and 1 of its 1 reports are lost']);
    expect(existsSync(join(log.dataDir, 'damaged'))).toBe(false);
    await store.close();

    disk.makeRoom();
    const again = await log.open();
    onTestFinished(() => again.close());
    expect(await walkIds(again)).toEqual(without(7, 9));
    await until(() => existsSync(join(log.dataDir, 'damaged', '000000001.journal')));
    expect((await again.stats()).damaged.map(({ reason }) => reason)).toEqual([
      '2 of its 100 messages and 1 of its 1 reports are lost',
    ]);
  },
);

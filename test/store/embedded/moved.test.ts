import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { openWriter } from '../../../src/store/embedded/record/open-writer.ts';
import { packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import { newSharedSegment } from '../../../src/store/embedded/segment/shared-segment.ts';
import type { SealerReply, SealerRequest, ThreadData } from '../../../src/store/embedded/threads/messages.ts';
import { Thread } from '../../../src/store/embedded/threads/thread.ts';
import { horizonsOf } from '../../../src/store/horizons.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import {
  hourMs,
  numberedIds,
  recordNumbered,
  SqliteLog,
  submission,
  until,
  walkIds,
} from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = 1_800_000_000_000;

const losses: readonly (readonly [string, (dataDir: string) => void])[] = [
  ['moved', () => {}],
  ['moved, and an empty one made in its place', dataDir => mkdirSync(join(dataDir, 'segments'), { recursive: true })],
  ['moved, and a copy put in its place', dataDir => cpSync(`${dataDir}.moved`, dataDir, { recursive: true })],
  ['moved, and what cannot be looked at made in its place', dataDir => symlinkSync(dataDir, dataDir)],
];

test.each(losses)('data folder %s under a server → nothing is taken or mended until it is back', async (_, replace) => {
  const log = new SqliteLog();
  const moved = `${log.dataDir}.moved`;
  onTestFinished(() => {
    log.remove();
    rmSync(moved, { recursive: true, force: true });
  });
  const store = await log.open();
  // A segment that is sealed, and one that takes writes and is not full.
  await recordNumbered(store, 0, 100, now);
  await recordNumbered(store, 100, 150, now);
  const isMade = (end: string) => readdirSync(join(log.dataDir, 'segments')).some(name => name.endsWith(end));
  await until(() => isMade('.index') && isMade('.facets'));
  renameSync(log.dataDir, moved);
  replace(log.dataDir);

  // More than the segment has room for: another would begin here.
  for (let time = 0; time < 3; time++)
    await expect(recordNumbered(store, 150, 350, now)).rejects.toThrow(StoreUnavailable);
  await expect(store.stats()).rejects.toThrow('is not the one that this server opened');
  await expect(store.dropBefore(now + 1)).rejects.toThrow(StoreUnavailable);
  rmSync(log.dataDir, { recursive: true, force: true });
  renameSync(moved, log.dataDir);
  expect(await store.stats()).toMatchObject({ messages: 150, damaged: [] });
  expect(await store.stats()).not.toHaveProperty('writeFailure');
  await recordNumbered(store, 150, 350, now);
  expect(await walkIds(store)).toEqual(numberedIds(0, 350));
  await store.close();
  const again = await log.open();
  expect(await walkIds(again)).toEqual(numberedIds(0, 350));
  expect(await again.stats()).toMatchObject({ damaged: [] });
  await again.close();
  expect(log.witness.damagedParts).toEqual([]);
});

const range = { from: 0, firstBucket: 0, bucketMs: hourMs, buckets: 1 };

/** Every way to ask for what an account has. */
const questions: readonly ((store: Store) => Promise<unknown>)[] = [
  store => store.find({ account: 1, filter: {}, sentSince: 0, limit: 1000, walk: false }),
  store => store.render({ account: 1, filter: {}, sentSince: 0, limit: 1000, walk: false }, 'json'),
  store => store.history(1, 'message-1', 0),
  store => store.changes({ account: 1, sentSince: 0, limit: 10 }),
  store => store.summarize({ account: 1, filter: {}, sentSince: 0, range, budgetMs: 60_000 }),
];

test.each([50, 150])(
  'another log put in the place of one of %i messages → nothing of it is given, nor changed: by a sweep, nor by the stop of the server',
  async count => {
    const log = new SqliteLog();
    onTestFinished(() => log.remove());
    const store = await log.open();
    await recordNumbered(store, 0, count, now);
    const sealed = join(log.dataDir, 'segments', '000000001.facets');
    await until(() => count < 100 || systemDisk.exists(sealed));
    const moved = join(temporaryFolder(), 'moved');
    renameSync(log.dataDir, moved);
    cpSync(await otherLog(), log.dataDir, { recursive: true });
    const before = contentsOf(log.dataDir);

    for (const ask of questions) await expect(ask(store)).rejects.toThrow('is not the one that this server opened');
    await expect(store.dropBefore(now + hourMs)).rejects.toThrow(StoreUnavailable);
    await expect(store.stats()).rejects.toThrow(StoreUnavailable);
    await store.close();
    expect(contentsOf(log.dataDir)).toEqual(before);

    rmSync(log.dataDir, { recursive: true });
    renameSync(moved, log.dataDir);
    const again = await log.open();
    expect(await walkIds(again)).toEqual(numberedIds(0, count));
    await again.close();
    expect(log.witness.damagedParts).toEqual([]);
  },
);

test('a thread that starts when another log stands there → neither seals, mends, merges nor removes anything of it', async () => {
  const dataDir = await otherLog();
  const before = contentsOf(dataDir);
  const replies: SealerReply[] = [];
  const crashes: Error[] = [];
  const data = {
    ...dataFor(dataDir, 'that of the one that was opened'),
    merging: { youngestLeft: 0, blockRows: 1024 },
  };
  const hear = (reply: SealerReply) => void replies.push(reply);
  const sealer = new Thread<SealerRequest, SealerReply>('sealer', data, hear, error => void crashes.push(error));
  const segments = [1, 2, 3, 4].map(id => newSharedSegment(id, 1, 100));
  for (const shared of segments) {
    sealer.send({ type: 'verify', segmentId: shared.id, places: undefined });
    sealer.send({ type: 'rebuild', shared });
    sealer.send({ type: 'recover', id: shared.id, shared });
    sealer.send({ type: 'released', segmentId: shared.id });
  }
  sealer.send({ type: 'gather', segmentIds: segments.map(({ id }) => id) });
  sealer.send({ type: 'close' });
  await sealer.ended();
  expect(crashes).toEqual([]);
  expect(replies.map(({ type }) => type)).toEqual(expect.arrayContaining(['failed', 'unrecovered', 'unmade']));
  for (const reply of replies)
    expect(reply).toMatchObject({ failure: { kind: 'outage', message: expect.stringContaining('is not the one') } });
  expect(contentsOf(dataDir)).toEqual(before);
});

test('a writer whose log was replaced → closes no segment for its age or for a sweep, and changes nothing', async () => {
  const dataDir = temporaryFolder();
  const { identity = '' } = new Folder(dataDir);
  const { writer, joining } = openWriter(dataFor(dataDir, identity), () => {});
  while (joining.next().done !== true);
  const moved = join(temporaryFolder(), 'moved');
  const other = await otherLog();
  writer.record(packedParts(), now, () => false);
  renameSync(dataDir, moved);
  cpSync(other, dataDir, { recursive: true });
  const before = contentsOf(dataDir);
  const horizons = await horizonsOf(now + hourMs, new Map());
  expect(() => writer.rotateIfDue(now + 2 * hourMs)).toThrow(StoreUnavailable);
  expect(() => writer.retire(now, horizons)).toThrow(StoreUnavailable);
  expect(() => writer.fill(1)).toThrow(StoreUnavailable);
  expect(() => writer.record(packedParts(), now, () => false)).toThrow(StoreUnavailable);
  writer.close();
  expect(contentsOf(dataDir)).toEqual(before);
});

/** A closed log of account 1: two sealed segments, and one that takes writes. */
async function otherLog(): Promise<string> {
  const log = new SqliteLog({ dataDir: temporaryFolder() });
  const store = await log.open();
  for (const from of [0, 100, 200]) await recordNumbered(store, from, Math.min(from + 100, 250), now);
  const paths = [1, 2].map(id => new Folder(log.dataDir).facets(id));
  await until(() => paths.every(path => systemDisk.exists(path)));
  await store.close();
  return log.dataDir;
}

function dataFor(dataDir: string, identity: string): ThreadData {
  return {
    dataDir,
    identity,
    hashSeed: new LogFile(dataDir).hashSeed,
    era: new Int32Array(new SharedArrayBuffer(4)),
    waiting: new Int32Array(new SharedArrayBuffer(8)),
    durability: 'full',
    segmentMessagesMax: 100,
    checkpointRows: 1000,
    segmentsMax: 4094,
    segmentAgeMs: hourMs,
  };
}

function packedParts() {
  const submissions = [submission(1, { sentAt: now })];
  return [{ batch: packBatch({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions }, 1), from: 0 }];
}

/** Of every file in a folder, what it holds. */
function contentsOf(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter(name => statSync(join(folder, name)).isFile());
  return new Map(files.map(name => [name, readFileSync(join(folder, name), 'latin1')]));
}

import { setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { StoreUnavailable } from '../../store.ts';
import { recoverRows, restoreRows } from '../damage/row-recovery.ts';
import { withoutUnsound } from '../damage/unsound-rows.ts';
import { DamagedIndex, DamagedRow, DamagedSegment, guardSegment } from '../files/damage.ts';
import { type Disk, fileCrcSteps, systemDisk } from '../files/disk.ts';
import { Folder } from '../files/folder.ts';
import type { Holding } from '../files/ledger.ts';
import { readingAround } from '../files/reading-around.ts';
import { hasRoom } from '../files/reserve.ts';
import { openIndex } from '../log/check-rows.ts';
import { writeCheckpoint } from '../log/checkpoint.ts';
import { holdingOf } from '../log/holdings.ts';
import { loadUnsealed } from '../log/load.ts';
import { type Places, scanJournal } from '../rows/journal-format.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { type SharedSegment, withLosses } from '../segment/shared-segment.ts';
import type { SealerReply, SealerRequest, SegmentContents, ThreadData } from '../threads/messages.ts';
import { failureOf } from '../threads/thread-failure.ts';
import { GatheredIds } from './gathered-ids.ts';
import { makeFacets } from './make-facets.ts';
import { removeMerged, verifyVolume } from './make-volume.ts';
import { makeWords } from './make-words.ts';
import { sealSegment, sealWithFacets } from './seal.ts';
import { Volumes } from './volumes.ts';

const port = parentPort;
if (port === null) throw new Error('the sealer runs as a worker thread');
const data: ThreadData = workerData;
const folder = new Folder(data.dataDir, systemDisk, data);
const tell = (reply: SealerReply) => port.postMessage(reply);

/** Verification rests so long after each step that whoever reads or records has the machine to himself meanwhile. */
const restPerWork = 9;
/** A timer takes a millisecond at least: many small steps are taken as one. */
const sliceMs = 2;
/** Those of a segment are made in about the time in which another fills, at the greatest speed. */
const facetRestPerWork = 2;
/** The same of volumes, but while segments fill one after the other: then they fall behind for a while. */
const mergeRestPerWork = 2;
/** Until sets of ids are made, recording and look-ups ask each index: it only lets others have their turn. */
const gatherRestPerWork = 0;
const busyMs = 3000;
let sealedAt = -Infinity;
const mergeRest = () => (performance.now() - sealedAt < busyMs ? restPerWork : mergeRestPerWork);

/** Compares both files with the checksums they were sealed with. A damaged index can be made again from the rows. */
function* verify(segmentId: number): Generator<void, SealerReply> {
  let index: IndexFile;
  try {
    index = openIndex(folder, segmentId, data.hashSeed);
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return { type: 'verified', segmentId, indexDamage: error.message };
  }
  try {
    const rows = folder.rows(segmentId);
    const { rowsBytes, rowsCrc } = index.header;
    if (folder.hasVolume(segmentId)) yield* guardedSteps(segmentId, verifyVolume(folder, segmentId, index.header));
    else if (folder.disk.size(rows) !== rowsBytes || (yield* fileCrcSteps(folder.disk, rows)) !== rowsCrc)
      throw new DamagedSegment(segmentId, new Error('the rows file is not what was sealed: its checksum differs'));
    yield* index.verifySteps();
    return { type: 'verified', segmentId };
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return { type: 'verified', segmentId, indexDamage: error.message };
  } finally {
    index.close();
  }
}

/** The same of the journal of a segment that has no index yet, up to its last group that is durable. */
function verifyJournal(segmentId: number, { reach }: Places): SealerReply {
  const path = folder.journal(segmentId);
  // It is a volume by now, which was compared with it.
  if (!folder.disk.exists(path)) return { type: 'verified', segmentId };
  const file = folder.disk.open(path, 'read');
  try {
    const [end = 0] = reach;
    guardSegment(segmentId, () => {
      const [found] = scanJournal(folder.disk, file, end).places.reach;
      if (found !== end) throw new DamagedRow(`the journal (at byte ${found})`);
    });
    return { type: 'verified', segmentId };
  } finally {
    folder.disk.close(file);
  }
}

function* guardedSteps(segmentId: number, steps: Generator<void, void>): Generator<void, void> {
  while (guardSegment(segmentId, () => steps.next()).done !== true) yield;
}

/** Nobody waits for the end of it: not the thread, when it has been told to close. */
async function atLeisure<T>(steps: Generator<void, T>, rest = () => restPerWork): Promise<T> {
  for (let began = performance.now(); ; ) {
    const step = steps.next();
    if (step.done) return step.value;
    const spentMs = performance.now() - began;
    if (spentMs < sliceMs) continue;
    await setTimeout(spentMs * rest(), undefined, { ref: false });
    began = performance.now();
  }
}

function contentsOf(disk: Disk, path: string, holding: Holding): SegmentContents {
  const { unsealed } = loadUnsealed(disk, path, holding.id, data.hashSeed, 0, holding);
  const { columns, counts, facets } = unsealed;
  return { columns, counts: counts.pack(), meanings: facets.meanings() };
}

/** Makes both files anew of the rows that can still be read, while the old ones are read on. */
function recover({ id, shared }: Extract<SealerRequest, { type: 'recover' }>): SealerReply {
  const known = holdingOf(shared, Date.now());
  const around = new Folder(data.dataDir, readingAround(systemDisk), data);
  try {
    folder.unsound.delete(shared.id);
    return { type: 'recovered', id, holding: madeAnew(around, shared, known) };
  } catch (error) {
    // There may be no room for a copy: then it is read as it stands.
    const { holding, unsound } = withoutUnsound(around, known, error);
    folder.unsound.set(shared.id, unsound);
    return { type: 'recovered', id, holding, unsound };
  }
}

function madeAnew(folder: Folder, shared: SharedSegment, known: Holding): Holding {
  const segmentId = shared.id;
  return folder.mending(segmentId, () => {
    const { path, holding } = recoverRows(folder, segmentId, known, known.firstSequence);
    const index = `${folder.index(segmentId)}.mended`;
    const { columns, counts } = contentsOf(folder.disk, path, holding);
    // Readers must not take what is lost for settled until the writer has gone over the messages that it concerns.
    sealSegment(folder.disk, { rows: path, index }, withLosses(shared, holding), columns, counts, data.hashSeed);
    folder.replace(segmentId, { rows: path, index });
    return holding;
  });
}

function seal(request: Extract<SealerRequest, { type: 'seal' | 'rebuild' }>): SealerReply {
  const { shared } = request;
  const { id } = shared;
  const paths = { rows: folder.rows(id), index: folder.index(id), facets: folder.facets(id) };
  if (!hasRoom(folder.disk, data.dataDir)) throw new StoreUnavailable('the disk is full');
  const flaw = guardSegment(id, () => {
    const holding = holdingOf(shared, Date.now());
    const read = () => (request.type === 'seal' ? request : contentsOf(folder.disk, paths.rows, holding));
    const contents = restoreRows(folder, id, holding, read);
    return sealWithFacets(folder.disk, paths, shared, contents, data.hashSeed);
  });
  folder.sync();
  sealedAt = performance.now();
  if (flaw !== undefined) tell({ type: 'unmade', what: 'facets', segmentId: id, failure: failureOf(flaw) });
  return { type: 'sealed', segmentId: id };
}

/** Nothing is lost without it: a start reads all rows. */
function checkpoint({ shared, ...held }: Extract<SealerRequest, { type: 'checkpoint' }>): void {
  try {
    if (hasRoom(folder.disk, data.dataDir)) writeCheckpoint(folder, shared, data.hashSeed, held);
  } catch (error) {
    tell({ type: 'unmade', what: 'checkpoint', segmentId: shared.id, failure: failureOf(error) });
  }
}

/** Makes a kind of file beside the index of segments that have none of it, one at a time, the newest first. */
class BesideFiles {
  readonly #left = new Set<number>();
  readonly #what: 'facets' | 'words';
  readonly #make: (segmentId: number) => Generator<void, boolean>;
  readonly #restPerWork: () => number;
  #isMaking = false;

  constructor(
    what: 'facets' | 'words',
    make: (segmentId: number) => Generator<void, boolean>,
    restPerWork: () => number,
  ) {
    this.#what = what;
    this.#make = make;
    this.#restPerWork = restPerWork;
  }

  async add(segmentId: number): Promise<void> {
    this.#left.add(segmentId);
    if (this.#isMaking) return;
    this.#isMaking = true;
    for (let next = Math.max(...this.#left); this.#left.size > 0; next = Math.max(...this.#left)) {
      this.#left.delete(next);
      try {
        if (!hasRoom(folder.disk, data.dataDir)) continue;
        if (await atLeisure(this.#make(next), this.#restPerWork)) tell({ type: 'resized', segmentId: next });
      } catch (error) {
        tell({ type: 'unmade', what: this.#what, segmentId: next, failure: failureOf(error) });
      }
    }
    this.#isMaking = false;
  }
}

/** Of segments that were sealed without facets, by an older version say: summaries by a filter are slow without them. */
const facets = new BesideFiles(
  'facets',
  segmentId => makeFacets(folder, segmentId),
  () => facetRestPerWork,
);
/** Words are looked for in all rows without them. */
const words = new BesideFiles('words', segmentId => makeWords(folder, segmentId), mergeRest);

const volumes = new Volumes(folder, data.merging, {
  atLeisure: steps => atLeisure(steps, mergeRest),
  made: segmentId => tell({ type: 'sealed', segmentId }),
  failed: (segmentId, error) => tell({ type: 'unmade', what: 'volume', segmentId, failure: failureOf(error) }),
});

/** Those who wait until sets of ids are taken up everywhere, in the order in which they were told of. */
const untaken: (() => void)[] = [];

const ids = new GatheredIds(folder, data.hashSeed, {
  inSteps: steps => atLeisure(steps, () => gatherRestPerWork),
  gathered(part, sets) {
    tell({ type: 'ids', part, sets });
    return new Promise(resolve => untaken.push(resolve));
  },
  damaged: (segmentId, reason) => tell({ type: 'indexDamaged', segmentId, reason }),
  failed: (segmentIds, error) =>
    tell({ type: 'unmade', what: 'set of ids', segmentId: segmentIds[0] ?? 0, failure: failureOf(error) }),
});

async function sealed(segmentId: number): Promise<void> {
  await facets.add(segmentId);
  void words.add(segmentId);
  await volumes.add(segmentId);
}

function removeRowsOf(segmentId: number): void {
  try {
    if (removeMerged(folder, segmentId)) tell({ type: 'resized', segmentId });
  } catch (error) {
    tell({ type: 'unmade', what: 'volume', segmentId, failure: failureOf(error) });
  }
}

async function answer(segmentId: number, work: () => SealerReply | Promise<SealerReply>): Promise<void> {
  try {
    tell(await work());
  } catch (error) {
    tell({ type: 'failed', segmentId, failure: failureOf(error) });
  }
}

port.on('message', (request: SealerRequest) => {
  switch (request.type) {
    case 'verify':
      if (request.places !== undefined) {
        const { segmentId, places } = request;
        return answer(segmentId, () => verifyJournal(segmentId, places));
      }
      void sealed(request.segmentId);
      return answer(request.segmentId, () => atLeisure(verify(request.segmentId)));
    case 'checkpoint':
      return checkpoint(request);
    case 'seal':
    case 'rebuild':
      return answer(request.shared.id, () => seal(request)).then(() => {
        void ids.add([request.shared.id]);
        void words.add(request.shared.id);
        return volumes.add(request.shared.id);
      });
    case 'recover':
      try {
        tell(recover(request));
        void sealed(request.shared.id);
        void ids.add([request.shared.id]);
      } catch (error) {
        tell({ type: 'unrecovered', id: request.id, failure: failureOf(error) });
      }
      return;
    case 'gather':
      return ids.add(request.segmentIds);
    case 'dropped':
      return ids.drop(request.segmentIds);
    case 'idsTaken':
      return untaken.shift()?.();
    case 'released':
      return removeRowsOf(request.segmentId);
    case 'close':
      port.close();
  }
});

import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { DamagedSegment, guardSegment } from './damage.ts';
import { fileCrc } from './disk.ts';
import { Folder } from './folder.ts';
import { DamagedIndex, IndexFile } from './index-file.ts';
import { loadUnsealed } from './load.ts';
import type { SealerReply, SealerRequest, ThreadData } from './messages.ts';
import { sealSegment } from './seal.ts';
import { failureOf } from './thread-failure.ts';

const port = parentPort;
if (port === null) throw new Error('the sealer runs as a worker thread');
const data: ThreadData = workerData;
const folder = new Folder(data.dataDir);
const tell = (reply: SealerReply) => port.postMessage(reply);

/** Compares both files with the checksums they were sealed with. A damaged index can be made again from the rows. */
function verify(segmentId: number): SealerReply {
  let index: IndexFile;
  try {
    index = new IndexFile(folder.index(segmentId));
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return { type: 'verified', segmentId, indexDamage: error.message };
  }
  try {
    const rows = folder.rows(segmentId);
    const { rowsBytes, rowsCrc } = index.header;
    if (statSync(rows).size !== rowsBytes || fileCrc(rows) !== rowsCrc)
      throw new DamagedSegment(segmentId, new Error('the rows file is not what was sealed: its checksum differs'));
    index.verify();
    return { type: 'verified', segmentId };
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return { type: 'verified', segmentId, indexDamage: error.message };
  } finally {
    index.close();
  }
}

function work(request: Exclude<SealerRequest, { type: 'close' }>): SealerReply {
  if (request.type === 'verify') return verify(request.segmentId);
  const { shared } = request;
  const columns =
    request.type === 'seal'
      ? request.columns
      : guardSegment(shared.id, () => loadUnsealed(folder, shared.id, data.hashSeed, 0).segment.columns);
  if (columns === undefined) throw new Error(`segment ${shared.id} was loaded without columns`);
  const paths = { rows: folder.rows(shared.id), index: folder.index(shared.id) };
  guardSegment(shared.id, () => sealSegment(paths, shared, columns, data.hashSeed));
  folder.sync();
  return { type: 'sealed', segmentId: shared.id };
}

port.on('message', (request: SealerRequest) => {
  if (request.type === 'close') return port.close();
  try {
    tell(work(request));
  } catch (error) {
    const segmentId = request.type === 'verify' ? request.segmentId : request.shared.id;
    tell({ type: 'failed', segmentId, failure: failureOf(error) });
  }
});

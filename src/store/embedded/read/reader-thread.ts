import { parentPort, workerData } from 'node:worker_threads';
import type { AccountId, LogRecord } from '../../../domain/message.ts';
import { type LogForm, renderLogs } from '../../../wire/text/log-text.ts';
import type { Page, Query } from '../../store.ts';
import { Feed } from '../feed/feed.ts';
import { systemDisk } from '../files/disk.ts';
import { Folder } from '../files/folder.ts';
import { AccountWatermarks } from '../search/account-watermarks.ts';
import { Jobs, type Steps } from '../search/jobs.ts';
import { ReadSegments } from '../search/read-segments.ts';
import { noAccount } from '../segment/shared-segment.ts';
import { summarySteps } from '../summary/summarizing.ts';
import type { ReaderReply, ReaderRequest, ThreadData } from '../threads/messages.ts';
import { failureOf } from '../threads/thread-failure.ts';
import { PageBytes } from './page-bytes.ts';
import { Reader } from './reader.ts';

const port = parentPort;
if (port === null) throw new Error('a reader runs as a worker thread');
const data: ThreadData = workerData;
const folder = new Folder(data.dataDir, systemDisk, data);
const segments = new ReadSegments(folder, data.hashSeed, file => tell({ type: 'unused', ...file }));
const ends = new AccountWatermarks(segments);
const reader = new Reader(segments, ends, data.hashSeed);
const feed = new Feed(segments, ends, data.era);
const tell = (reply: ReaderReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);

const jobs = new Jobs();

type Answer = { readonly answer: unknown; readonly transfer?: ArrayBuffer[] };

function begin(id: number, account: AccountId, work: Steps<Answer>): void {
  function* steps(): Steps<void> {
    const { answer, transfer } = yield* work;
    tell({ type: 'answer', id, answer }, transfer);
  }
  const failed = (error: unknown) => tell({ type: 'failed', ids: [id], failure: failureOf(error) });
  jobs.add({ id, account, steps: steps(), failed });
}

function* answered<T>(work: Steps<T>): Steps<Answer> {
  return { answer: yield* work };
}

/** For work that is small enough for one step. */
function* atOnce<T>(work: () => T): Steps<T> {
  yield 0;
  return work();
}

function* found(query: Query): Steps<Page> {
  const search = reader.search(query);
  const logs: LogRecord[] = [];
  for (let wasPaused = false; ; wasPaused = yield 0) {
    const { done, value } = search.next(wasPaused);
    if (!done) logs.push(...value);
    else return { logs, ...value };
  }
}

/** Rendered as it is found: as objects a page takes several times its bytes. */
function* rendered(query: Query, form: LogForm): Steps<Answer> {
  const search = reader.search(query);
  const page = new PageBytes();
  let count = 0;
  for (let wasPaused = false; ; wasPaused = yield page.held) {
    const { done, value } = search.next(wasPaused);
    if (done) {
      const text = page.end();
      return { answer: { text, count, ...value }, transfer: [text.buffer] };
    }
    if (value.length === 0) continue;
    page.add((form === 'json' && count > 0 ? ',' : '') + renderLogs(value, form));
    count += value.length;
  }
}

port.on('message', (request: ReaderRequest) => {
  switch (request.type) {
    case 'find':
      return begin(request.id, request.query.account, answered(found(request.query)));
    case 'render':
      return begin(request.id, request.query.account, rendered(request.query, request.form));
    case 'history': {
      const { id, account, messageId, sentSince } = request;
      return begin(id, account, answered(reader.history(account, messageId, sentSince)));
    }
    case 'summarize': {
      const { id, query, kept } = request;
      return begin(id, query.account, answered(summarySteps(segments, data.hashSeed, query, kept)));
    }
    case 'changes':
      return begin(request.id, request.query.account, answered(feed.changes(request.query, request.gaps)));
    case 'extents': {
      const { id, segmentId } = request;
      return begin(id, noAccount, answered(atOnce(() => segments.extents(segmentId))));
    }
    case 'look':
      return begin(request.id, noAccount, answered(segments.look(request.segmentId)));
    case 'cancel':
      return jobs.cancel(request.id);
    case 'ends':
      for (const [account, end] of request.ends) ends.move(account, end);
      return;
    case 'eras':
      return feed.setEras(request.eras);
    case 'ids':
      segments.takeIds(request.part, request.sets);
      return tell({ type: 'released', ticket: request.ticket });
    case 'segment':
      return segments.set(request.shared, request.columns);
    case 'meanings':
      return segments.learn(request.meanings);
    case 'recovered':
      folder.unsound.set(request.shared.id, request.unsound);
      segments.set(request.shared, undefined);
      return tell({ type: 'released', ticket: request.ticket });
    case 'sealed':
      segments.set(request.shared, undefined);
      return tell({ type: 'released', ticket: request.ticket });
    case 'drop':
      for (const segmentId of request.segmentIds) segments.drop(segmentId);
      return tell({ type: 'released', ticket: request.ticket });
    case 'close':
      jobs.clear();
      segments.close();
      port.close();
  }
});

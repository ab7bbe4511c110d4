import { parentPort, workerData } from 'node:worker_threads';
import { renderLogs } from '../../wire/log-text.ts';
import { AccountEnds } from './account-ends.ts';
import { Feed } from './feed.ts';
import { Folder } from './folder.ts';
import { KeyReader } from './key-table.ts';
import type { ReaderReply, ReaderRequest, ThreadData } from './messages.ts';
import { ReadSegments } from './read-segments.ts';
import { Reader } from './reader.ts';
import { Summarizing } from './summarizing.ts';
import { failureOf } from './thread-failure.ts';

const port = parentPort;
if (port === null) throw new Error('a reader runs as a worker thread');
const data: ThreadData = workerData;
const segments = new ReadSegments(new Folder(data.dataDir), new KeyReader(data.keys));
const ends = new AccountEnds();
const reader = new Reader(segments, ends, data.hashSeed);
const feed = new Feed(segments, ends, data.era);
const encoder = new TextEncoder();
const tell = (reply: ReaderReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);

function answer(id: number, work: () => { readonly answer: unknown; readonly transfer?: ArrayBuffer[] }): void {
  try {
    const { answer, transfer } = work();
    tell({ type: 'answer', id, answer }, transfer);
  } catch (error) {
    tell({ type: 'failed', ids: [id], failure: failureOf(error) });
  }
}

const summaries: { readonly id: number; readonly summarizing: Summarizing }[] = [];

/** One slice of one summary, and the others' turn: in between, what came meanwhile is answered. */
function summarizeOn(): void {
  const next = summaries.shift();
  if (next === undefined) return;
  try {
    const answer = next.summarizing.slice();
    if (answer === undefined) summaries.push(next);
    else tell({ type: 'answer', id: next.id, answer });
  } catch (error) {
    tell({ type: 'failed', ids: [next.id], failure: failureOf(error) });
  }
  if (summaries.length > 0) setImmediate(summarizeOn);
}

function summarize({ id, query, kept }: Extract<ReaderRequest, { type: 'summarize' }>): void {
  try {
    summaries.push({ id, summarizing: new Summarizing(segments, data.hashSeed, query, kept) });
  } catch (error) {
    return tell({ type: 'failed', ids: [id], failure: failureOf(error) });
  }
  if (summaries.length === 1) setImmediate(summarizeOn);
}

port.on('message', (request: ReaderRequest) => {
  switch (request.type) {
    case 'find':
      return answer(request.id, () => ({ answer: reader.find(request.query) }));
    case 'render':
      return answer(request.id, () => {
        const { logs, next } = reader.find(request.query);
        const text = encoder.encode(renderLogs(logs, request.form));
        return { answer: { text, count: logs.length, ...(next !== undefined && { next }) }, transfer: [text.buffer] };
      });
    case 'history':
      return answer(request.id, () => ({
        answer: reader.history(request.account, request.messageId, request.sentSince),
      }));
    case 'summarize':
      return summarize(request);
    case 'changes':
      return answer(request.id, () => ({ answer: feed.changes(request.query) }));
    case 'end':
      return ends.move(request.accounts, request.end);
    case 'eras':
      return feed.setEras(request.eras);
    case 'segment':
      return segments.set(request.shared, request.columns);
    case 'sealed':
    case 'mended':
      segments.set(request.shared, undefined);
      return tell({ type: 'released', ticket: request.ticket });
    case 'drop':
      segments.drop(request.segmentId);
      return tell({ type: 'released', ticket: request.ticket });
    case 'close':
      summaries.length = 0;
      segments.close();
      port.close();
  }
});

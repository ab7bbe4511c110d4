import { parentPort, workerData } from 'node:worker_threads';
import type { OutcomeTally } from '../../outcomes.ts';
import { StoreUnavailable } from '../../store.ts';
import type { ThreadData, WriterReply, WriterRequest } from '../threads/messages.ts';
import { failureOf } from '../threads/thread-failure.ts';
import { Joining } from './joining.ts';
import { type OpenedWriter, openWriter } from './open-writer.ts';
import { type RecordParts, Turns } from './turns.ts';
import type { Writer } from './writer.ts';

const port = parentPort;
if (port === null) throw new Error('the writer runs as a worker thread');
const data: ThreadData = workerData;
const tell = (reply: WriterReply) => port.postMessage(reply);

function attempt(work: () => void, ids: readonly number[]): void {
  try {
    work();
  } catch (error) {
    tell({ type: 'failed', ids, failure: failureOf(error), accounts: [] });
  }
}

function turnsOf(writer: Writer, outcomes: OutcomeTally): Turns {
  const record: RecordParts = (parts, isOver) => writer.record(parts, Date.now(), isOver);
  return new Turns(
    record,
    () => writer.end,
    () => outcomes.take(),
    tell,
  );
}

function keepUp(
  { writer, reserve, waitingReports }: Pick<OpenedWriter, 'writer' | 'reserve' | 'waitingReports'>,
  join: () => void,
): NodeJS.Timeout {
  return setInterval(() => {
    attempt(() => writer.rotateIfDue(Date.now()), []);
    attempt(() => reserve.keep(), []);
    attempt(() => waitingReports.dropOverdue(data.hashSeed, report => writer.join(report)), []);
    join();
  }, 1000);
}

/** `begin` is called when records can be taken. What is given goes on with the steps, or begins again where one failed. */
function joiningIn(writer: Writer, steps: Generator<void>, begin: () => void): readonly [Joining, () => void] {
  const failed = (error: unknown) => tell({ type: 'failed', ids: [], failure: failureOf(error), accounts: [] });
  const joining = new Joining(steps, () => writer.joinAll(), failed);
  let isStepping = false;
  // In between, whatever does not record is answered.
  const step = () => {
    const wasReady = joining.isReady;
    joining.step();
    isStepping = joining.goesOn;
    if (isStepping) setImmediate(step);
    if (joining.isReady && !wasReady) begin();
  };
  const joinOn = () => {
    if (isStepping) return;
    joining.resume();
    if (joining.goesOn) step();
  };
  return [joining, joinOn];
}

function serve(opened: OpenedWriter): void {
  const { writer, outcomes } = opened;
  const turns = turnsOf(writer, outcomes);
  // Between two slices, whatever else was asked is answered.
  const goOn = () => {
    turns.slice();
    if (!turns.isEmpty) setImmediate(goOn);
  };
  const [joining, joinOn] = joiningIn(writer, opened.joining, () => {
    if (!turns.isEmpty) goOn();
  });
  joinOn();
  const upkeep = keepUp(opened, joinOn);
  port?.on('message', (request: WriterRequest) => {
    switch (request.type) {
      case 'record':
        // Everything that has arrived by the end of this turn shares one transaction.
        if (joining.isReady && turns.isEmpty) setImmediate(goOn);
        return turns.addAll(request.batches);
      case 'ids':
        writer.takeIds(request.part, request.sets);
        return tell({ type: 'released', ticket: request.ticket });
      case 'spare':
        return writer.reuse(request.columns);
      case 'count':
        return attempt(() => {
          const answer = writer.counted(request.account, request.from, request.to);
          tell({ type: 'answer', id: request.id, answer });
        }, [request.id]);
      case 'meanings':
        return attempt(() => tell({ type: 'meanings', id: request.id, meanings: writer.meanings() }), [request.id]);
      case 'extents':
        return attempt(() => {
          tell({ type: 'answer', id: request.id, answer: writer.extents(request.segmentId) });
        }, [request.id]);
      case 'rotate':
        return attempt(() => {
          writer.retire(Date.now(), request.horizons);
          tell({ type: 'answer', id: request.id, answer: undefined });
        }, [request.id]);
      case 'sealed':
        writer.sealed(request.shared.id);
        return tell({ type: 'released', ticket: request.ticket });
      case 'fill':
        return attempt(() => {
          writer.fill(request.segmentId);
          tell({ type: 'answer', id: request.id, answer: undefined });
        }, [request.id]);
      case 'try':
        return attempt(() => {
          if (!joining.isReady) throw new StoreUnavailable('reports that waited are not joined yet');
          writer.tryAgain(Date.now());
          tell({ type: 'answer', id: request.id, answer: undefined });
        }, [request.id]);
      case 'recovered':
        attempt(() => writer.recovered(request), []);
        return tell({ type: 'released', ticket: request.ticket });
      case 'drop':
        attempt(() => writer.dropped(request.segmentIds, request.isDamaged), []);
        return tell({ type: 'released', ticket: request.ticket });
      case 'close':
        clearInterval(upkeep);
        if (!turns.isEmpty) while (!joining.isReady) joining.step();
        joining.stop();
        while (!turns.isEmpty) turns.slice();
        writer.close();
        port.close();
    }
  });
}

try {
  serve(openWriter(data, tell));
} catch (error) {
  tell({ type: 'broken', failure: failureOf(error) });
  port.close();
}

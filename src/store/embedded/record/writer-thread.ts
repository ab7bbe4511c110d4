import { parentPort, workerData } from 'node:worker_threads';
import { Folder } from '../files/folder.ts';
import { Ledger } from '../files/ledger.ts';
import { loadLog } from '../log/load.ts';
import { LogFile } from '../log/log-file.ts';
import { ordinalsMax, positionOf } from '../segment/position.ts';
import { messagesIn, reportsIn } from '../segment/shared-segment.ts';
import type { ThreadData, WriterReply, WriterRequest } from '../threads/messages.ts';
import { failureOf } from '../threads/thread-failure.ts';
import { type RecordParts, Turns } from './turns.ts';
import { openWaitingFile } from './waiting-file.ts';
import { WaitingReports } from './waiting-reports.ts';
import { Writer } from './writer.ts';

/** A set-aside segment may have held newer reports than any that is left: their numbers must not come again. */
const sequenceGapAfterDamage = 2 ** 32;

const port = parentPort;
if (port === null) throw new Error('the writer runs as a worker thread');
const data: ThreadData = workerData;
const tell = (reply: WriterReply) => port.postMessage(reply);

/** The writer and the steps that are left until it can take records. */
type Started = {
  readonly writer: Writer;
  readonly waitingReports: WaitingReports;
  readonly learning: Generator<void>;
};

function start(): Started {
  const folder = new Folder(data.dataDir);
  const logFile = new LogFile(data.dataDir);
  const ledger = new Ledger(data.dataDir);
  const log = loadLog(folder, ledger, data.hashSeed, data.segmentMessagesMax);
  const last = Math.max(1, ...log.segments.map(segment => segment.nextSequence));
  // What the newest era counts from was there, also if nothing of it is left.
  const begun = logFile.eras.at(-1) ?? { id: 0, position: 0, sequence: 0 };
  const gap = folder.setAsideNames().length === 0 ? 0 : sequenceGapAfterDamage;
  const nextSequence = Math.max(last + gap, begun.sequence);
  const nextSegmentId = Math.max(folder.nextSegmentId(), Math.ceil(begun.position / ordinalsMax));
  const { file, damage } = openWaitingFile(data.dataDir, data.durability);
  const waitingReports = new WaitingReports(file, data.waiting);
  const writer = new Writer(
    { ...data, folder, log: logFile, ledger, waiting: waitingReports },
    {
      opened: (shared, columns) => tell({ type: 'opened', shared, columns }),
      filled: (segmentId, counts) => tell({ type: 'filled', segmentId, counts }),
      eraBegun: eras => tell({ type: 'eras', eras }),
    },
    nextSegmentId,
    nextSequence,
  );
  const youngest = log.segments.at(-1);
  // A segment that lacks rows is told from one that is whole by taking no more.
  const isWhole = youngest !== undefined && !log.damaged.some(({ name }) => name === folder.nameOf(youngest.shared.id));
  const goesOn = isWhole && youngest.columns !== undefined && youngest.nextSequence === nextSequence;
  Atomics.store(data.era, 0, begun.id);
  tell({ type: 'eras', eras: logFile.eras });
  const segments = log.segments.map(({ shared, columns }) => ({ shared, ...(columns !== undefined && { columns }) }));
  const end = {
    position: Math.max(begun.position, ...segments.map(({ shared }) => positionOf(shared.id, messagesIn(shared)))),
    sequence: Math.max(begun.sequence, ...segments.map(({ shared }) => shared.firstSequence + reportsIn(shared))),
  };
  tell({ type: 'end', accounts: [], end });
  const activeId = goesOn ? youngest.shared.id : undefined;
  const damaged = damage === undefined ? log.damaged : [...log.damaged, { name: 'waiting.db', reason: damage }];
  tell({ type: 'loaded', log: { segments, damaged, recovered: log.recovered, rebuilt: log.rebuilt }, activeId });
  return { writer, waitingReports, learning: writer.adopt(log, goesOn) };
}

function attempt(work: () => void, ids: readonly number[]): void {
  try {
    work();
  } catch (error) {
    tell({ type: 'failed', ids, failure: failureOf(error), accounts: [] });
  }
}

function turnsOf(writer: Writer): Turns {
  const record: RecordParts = (parts, isOver) => writer.record(parts, Date.now(), isOver);
  const tellWithEnd = (reply: WriterReply) => {
    if ('accounts' in reply && reply.accounts.length > 0)
      tell({ type: 'end', accounts: reply.accounts, end: writer.end });
    tell(reply);
  };
  return new Turns(record, () => writer.end, tellWithEnd);
}

function serve({ writer, waitingReports, learning }: Started): void {
  const turns = turnsOf(writer);
  // Between two slices, whatever else was asked is answered.
  const goOn = () => {
    turns.slice();
    if (!turns.isEmpty) setImmediate(goOn);
  };
  let ready = false;
  const learn = () => {
    ready = learning.next().done === true;
  };
  // In between, whatever does not record is answered.
  const learnOn = () => {
    learn();
    if (!ready) setImmediate(learnOn);
    else if (!turns.isEmpty) goOn();
  };
  learnOn();
  const rotation = setInterval(() => {
    attempt(() => writer.rotateIfDue(Date.now()), []);
    attempt(() => waitingReports.dropOverdue(Date.now()), []);
  }, 1000);
  port?.on('message', (request: WriterRequest) => {
    switch (request.type) {
      case 'record':
        // Everything that has arrived by the end of this turn shares one transaction.
        if (ready && turns.isEmpty) setImmediate(goOn);
        return turns.add(request.id, request.batch);
      case 'spare':
        return writer.reuse(request.columns);
      case 'count':
        return attempt(() => {
          const kept = writer.counted(request.account, request.from, request.to);
          tell({ type: 'counted', id: request.id, kept });
        }, [request.id]);
      case 'rotate':
        return attempt(() => {
          writer.retire(Date.now(), request.horizons);
          tell({ type: 'rotated', id: request.id });
        }, [request.id]);
      case 'sealed':
        writer.sealed(request.shared.id);
        return tell({ type: 'released', ticket: request.ticket });
      case 'fill':
        return attempt(() => {
          writer.fill(request.segmentId);
          tell({ type: 'rotated', id: request.id });
        }, [request.id]);
      case 'recovered':
        attempt(() => writer.recovered(request.holding), []);
        return tell({ type: 'released', ticket: request.ticket });
      case 'drop':
        attempt(() => writer.dropped(request.segmentId, request.isDamaged), []);
        return tell({ type: 'released', ticket: request.ticket });
      case 'close':
        clearInterval(rotation);
        if (!turns.isEmpty) while (!ready) learn();
        learning.return(undefined);
        while (!turns.isEmpty) turns.slice();
        writer.close();
        port.close();
    }
  });
}

try {
  serve(start());
} catch (error) {
  tell({ type: 'broken', failure: failureOf(error) });
  port.close();
}

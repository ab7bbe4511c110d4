import { setTimeout } from 'node:timers/promises';
import type { EpochMs } from '../../src/domain/message.ts';
import { limits } from '../../src/limits.ts';
import { path, paths, queryKinds } from '../dataset/queries.ts';
import { messageId, sender } from '../dataset/shape.ts';
import { answeredLogs } from '../load/answers.ts';
import { Connection } from '../load/connection.ts';
import type { ServerProcess } from '../server/handle.ts';
import { phaseTimeMs } from '../sizes.ts';
import { type Case, runLoad, serving, type Trial } from './case.ts';
import { batchConnections } from './recording.ts';

const mebibyte = 2 ** 20;
/** Past every id of the logs that are prepared. */
const crashFirstId = 500_000_000;
const crashMessages = 1_000_000;
const crashSpanMs = 60_000;
const lookEveryMs = 5;

export const footprint: Case = {
  name: 'footprint',
  title: 'Memory and disk after recording the whole log',
  logs: 'greatest',
  once: true,
  figures: [
    { name: 'peak', title: 'resident memory, most while recording', unit: 'MB', target: { atMost: 400 } },
    { name: 'resident', title: 'resident memory, afterwards', unit: 'MB', target: { atMost: 400 } },
    { name: 'disk', title: 'disk for a message', unit: 'bytes', target: { atMost: 350 } },
  ],
  run: async ({ preparation, shape }) => {
    if (preparation === undefined) throw new Error('the footprint is that of a prepared log');
    const { peakBytes, residentBytes, diskBytes } = preparation;
    return {
      figures: { peak: peakBytes / mebibyte, resident: residentBytes / mebibyte, disk: diskBytes / shape.messages },
    };
  },
};

export const memory: Case = {
  name: 'memory',
  title: 'Memory while reading',
  logs: 'greatest',
  figures: [
    { name: 'started', title: 'resident memory, after the start', unit: 'MB', target: { atMost: 400 } },
    { name: 'peak', title: 'resident memory, most while every query is read', unit: 'MB', target: { atMost: 400 } },
  ],
  run: trial =>
    serving(trial, async server => {
      const started = await trial.backend.memory(server);
      const { requests, timeMs } = trial.sizes.reads;
      for (const kind of queryKinds) {
        const all = paths(kind, trial.shape, Math.ceil(requests / 10), 1_000);
        await runLoad(trial, server, { kind: 'read', paths: all, timeMs, untilStopped: false });
      }
      const { peakBytes } = await trial.backend.memory(server);
      return { figures: { started: started.residentBytes / mebibyte, peak: peakBytes / mebibyte } };
    }),
};

export const start: Case = {
  name: 'start',
  title: 'From starting the process to its first answer',
  logs: 'greatest',
  figures: [
    { name: 'clean', title: 'after a stop', unit: 's', target: { atMost: 2 } },
    { name: 'killed', title: 'after kill -9 in the middle of recording', unit: 's', target: { atMost: 2 } },
  ],
  run: async trial => {
    const clean = await timeStart(trial, server => cutOff(trial, server));
    const killed = await timeStart(trial, server => trial.backend.stop(server));
    return { figures: { clean, killed } };
  },
};

export const drop: Case = {
  name: 'drop',
  title: 'Dropping the oldest part of the log: four hours of it over PostgreSQL, elsewhere a tenth',
  logs: 'greatest',
  figures: [
    { name: 'duration', title: 'the drop', unit: 'ms', target: { atMost: 50 }, postgresTarget: { atMost: 200 } },
    { name: 'messages', title: 'messages that it dropped', unit: '' },
    { name: 'worst-before', title: 'slowest read before it, end to end', unit: 'ms' },
    { name: 'worst-meanwhile', title: 'slowest read meanwhile, end to end', unit: 'ms' },
  ],
  run: trial =>
    serving(trial, async server => {
      const { before, beforehand } = droppedIn(trial);
      if (beforehand !== undefined) await server.ask({ kind: 'drop', before: beforehand }, 'dropped');
      await readDuring(trial, server, async () => undefined);
      const worstBefore = await readDuring(trial, server, async () => undefined);
      let [duration, messages] = [Number.NaN, Number.NaN];
      const worstMeanwhile = await readDuring(trial, server, async () => {
        const reply = await server.ask({ kind: 'drop', before }, 'dropped');
        [duration, messages] = [reply.durationMs, reply.messages];
      });
      return { figures: { duration, messages, 'worst-before': worstBefore, 'worst-meanwhile': worstMeanwhile } };
    }),
};

/**
 * The round's drop is of what was sent `before`. Over PostgreSQL that is a whole partition; the part of one that the log
 * begins with goes `beforehand`, untimed.
 */
function droppedIn({ driver, shape, sizes, round }: Trial): { before: EpochMs; beforehand?: EpochMs } {
  const { firstSentAt, spanMs, messages } = shape;
  if (driver === 'sentlog' || driver === 'plain-sqlite') {
    const dropped = sizes.dropped[driver] * (round + 1);
    return { before: firstSentAt + Math.floor((dropped * spanMs) / messages) };
  }
  const { partitionQuietMs } = limits;
  const beforehand = (Math.ceil(firstSentAt / partitionQuietMs) + round) * partitionQuietMs;
  return { before: beforehand + partitionQuietMs, beforehand };
}

/** The slowest of the reads that go on before, during and shortly after `work`. */
async function readDuring(trial: Trial, server: ServerProcess, work: () => Promise<void>): Promise<number> {
  const around = trial.sizes.crashAfterMs / 4;
  const all = [path({}), path({ sender: sender(1) }), path({ sender: sender(2), generalStatus: 'REJECTED' })];
  const reading = runLoad(trial, server, { kind: 'read', paths: all, timeMs: phaseTimeMs, untilStopped: true });
  const working = async () => {
    await setTimeout(around);
    await work();
    await setTimeout(around);
    trial.load.stop();
  };
  const [{ latency }] = await Promise.all([reading, working()]);
  return latency?.max ?? Number.NaN;
}

/** Seconds until a page is answered; `after` ends the server. */
async function timeStart(trial: Trial, after: (server: ServerProcess) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  const server = await trial.backend.start();
  const connection = new Connection(server.port, server.authorization);
  const { status } = await connection.get(path({ limit: '1' }));
  const seconds = (performance.now() - startedAt) / 1_000;
  await connection.close();
  if (status !== 200) throw new Error(`the first answer was ${status}`);
  await after(server);
  return seconds;
}

/** Kills the server some time after it has begun to record. */
async function cutOff(trial: Trial, server: ServerProcess): Promise<void> {
  const shape = {
    ...trial.shape,
    messages: crashMessages,
    firstId: crashFirstId + trial.round * crashMessages,
    firstSentAt: trial.shape.firstSentAt + trial.shape.spanMs - crashSpanMs,
    spanMs: crashSpanMs,
  };
  const recording = runLoad(trial, server, {
    kind: 'record',
    shape,
    from: 0,
    to: crashMessages,
    batchMessages: trial.sizes.batch,
    connections: batchConnections,
    timeMs: phaseTimeMs,
    untilBroken: true,
  });
  const killing = async () => {
    const connection = new Connection(server.port, server.authorization);
    const first = path({ messageId: messageId(shape, 0) });
    while (answeredLogs((await connection.get(first)).body) === 0) await setTimeout(lookEveryMs);
    await connection.close();
    await setTimeout(trial.sizes.crashAfterMs);
    await trial.backend.kill(server);
  };
  await Promise.all([recording, killing()]);
}

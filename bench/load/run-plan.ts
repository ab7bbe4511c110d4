import { createHash } from 'node:crypto';
import { LogWriter, logBytesMax } from '../dataset/log-writer.ts';
import { logsPath } from '../dataset/queries.ts';
import { ReportWriter } from '../dataset/report-writer.ts';
import { answeredLogs, comparable, nextCursor, outcomeOf } from './answers.ts';
import { type Answer, ConnectionBroken } from './connection.ts';
import { follow } from './follow.ts';
import type { DigestPlan, LoadResult, Plan, ReadPlan, RecordPlan, ReportPlan, WalkPlan } from './plan.ts';
import { send } from './send.ts';
import { onConnections, type Server, Tally, unexpected } from './tally.ts';

const summaryTriesMax = 100;

/** Runs one plan to its end; rejects when an answer is not what the plan must get. */
export function runPlan(plan: Plan, server: Server, stop: AbortSignal): Promise<LoadResult> {
  if (plan.kind === 'record') return record(plan, server);
  if (plan.kind === 'report') return report(plan, server);
  if (plan.kind === 'read') return read(plan, server, stop);
  if (plan.kind === 'walk') return walk(plan, server);
  if (plan.kind === 'follow') return follow(plan, server);
  if (plan.kind === 'send') return send(plan, server);
  return digest(plan, server);
}

/** Each connection takes the next batch as soon as its last one is answered, so that arrival keeps the log's order. */
class Batches {
  #next: number;
  readonly #to: number;
  readonly #size: number;
  readonly #step: number;

  /** Every `queues`th batch. */
  constructor(from: number, to: number, size: number, queues = 1) {
    this.#next = from;
    this.#to = to;
    this.#size = size;
    this.#step = size * queues;
  }

  take(): { from: number; to: number } | undefined {
    if (this.#next >= this.#to) return undefined;
    const from = this.#next;
    this.#next += this.#step;
    return { from, to: Math.min(this.#to, from + this.#size) };
  }
}

async function record(plan: RecordPlan, server: Server): Promise<LoadResult> {
  const { from, to, batchMessages, alsoPorts = [] } = plan;
  const ports = [server.port, ...alsoPorts];
  const tally = new Tally();
  const shares = ports.map((port, place) => {
    const batches = new Batches(from + place * batchMessages, to, batchMessages, ports.length);
    return recordShare(plan, { ...server, port }, plan.connections / ports.length, batches, tally);
  });
  await Promise.all(shares);
  return tally.result();
}

async function recordShare(
  plan: RecordPlan,
  server: Server,
  connections: number,
  batches: Batches,
  tally: Tally,
): Promise<void> {
  const writer = new LogWriter(plan.shape);
  await onConnections(connections, server, async connection => {
    const room = Buffer.alloc((plan.batchMessages + 1) * logBytesMax);
    const send = (from: number, to: number) =>
      plan.batchMessages === 1
        ? connection.post(logsPath, 'application/json', writer.json(room, from))
        : connection.post(logsPath, 'application/x-ndjson', writer.ndjson(room, from, to));
    try {
      for (let batch = batches.take(); batch !== undefined && tally.passedMs < plan.timeMs; batch = batches.take()) {
        const { from, to } = batch;
        const answer = await tally.time(() => send(from, to));
        if (outcomeOf(answer.body).recorded !== to - from) throw unexpected('new messages', to - from, answer);
        tally.records += to - from;
      }
    } catch (error) {
      if (!(plan.untilBroken && error instanceof ConnectionBroken)) throw error;
    }
  });
}

async function report(plan: ReportPlan, server: Server): Promise<LoadResult> {
  const writer = new ReportWriter(plan.shape, plan.order);
  const batches = new Batches(plan.from, plan.to, plan.batchReports);
  const tally = new Tally();
  await onConnections(plan.connections, server, async connection => {
    const room = Buffer.alloc(plan.batchReports * writer.reportBytes);
    for (let batch = batches.take(); batch !== undefined && tally.passedMs < plan.timeMs; batch = batches.take()) {
      const { from, to } = batch;
      const answer = await tally.time(() =>
        connection.post(logsPath, 'application/x-ndjson', writer.ndjson(room, from, to)),
      );
      if (outcomeOf(answer.body).reported !== to - from) throw unexpected('reports taken', to - from, answer);
      tally.records += to - from;
    }
  });
  return tally.result();
}

async function read(plan: ReadPlan, server: Server, stop: AbortSignal): Promise<LoadResult> {
  const tally = new Tally();
  await onConnections(1, server, async connection => {
    do {
      for (const path of plan.paths) {
        if (tally.passedMs >= plan.timeMs || stop.aborted) return;
        await tally.time(() => connection.get(path));
        tally.records++;
      }
    } while (plan.untilStopped);
  });
  return tally.result();
}

async function walk(plan: WalkPlan, server: Server): Promise<LoadResult> {
  const tally = new Tally();
  await onConnections(1, server, async connection => {
    for await (const body of pages(plan.path, path => tally.time(() => connection.get(path)), plan.pages))
      tally.records += answeredLogs(body);
  });
  return tally.result();
}

async function digest(plan: DigestPlan, server: Server): Promise<LoadResult> {
  const tally = new Tally();
  const digests: string[] = [];
  const add = (bodies: readonly Buffer[]) => {
    const hash = createHash('sha256');
    for (const body of bodies) hash.update(comparable(body));
    digests.push(hash.digest('hex'));
    tally.records++;
  };
  await onConnections(1, server, async connection => {
    const get = (path: string) => tally.time(() => connection.get(path));
    for (const path of plan.paths) add([await wholeAnswer(path, get)]);
    for (const path of plan.walks) {
      const bodies: Buffer[] = [];
      for await (const body of pages(path, get, Number.POSITIVE_INFINITY)) bodies.push(body);
      add(bodies);
    }
  });
  return tally.result(digests);
}

/** A summary whose time ran out, as it may on a busy machine, compares with nothing: it is asked for again. */
async function wholeAnswer(path: string, get: (path: string) => Promise<Answer>): Promise<Buffer> {
  for (let tries = 1; ; tries++) {
    const { body } = await get(path);
    if (tries === summaryTriesMax || !body.includes('"complete":false')) return body;
  }
}

async function* pages(path: string, get: (path: string) => Promise<Answer>, pagesMax: number): AsyncGenerator<Buffer> {
  let next: string | undefined = path;
  for (let page = 0; page < pagesMax && next !== undefined; page++) {
    const { body } = await get(next);
    yield body;
    const cursor = nextCursor(body);
    next = cursor === undefined ? undefined : `${path}&cursor=${encodeURIComponent(cursor)}`;
  }
}

import { setTimeout } from 'node:timers/promises';
import { LogWriter, logBytesMax } from '../dataset/log-writer.ts';
import { logsPath } from '../dataset/queries.ts';
import { destination, sender, senderCount } from '../dataset/shape.ts';
import { latencies } from '../statistics.ts';
import { outcomeOf } from './answers.ts';
import { Listeners } from './listeners.ts';
import type { Followed, Following, FollowPlan, LoadResult } from './plan.ts';
import { onConnections, type Server, Tally, unexpected } from './tally.ts';

const lookEveryMs = 20;
/** Long enough for an event that comes once more to be seen. */
const lingerMs = 300;

/** What listener `number` asks for; the value is that of the message's field. */
const askedBy: Readonly<Record<Following, (number: number) => string>> = {
  destination,
  sender: number => sender(number % senderCount),
  everything: () => '',
};

/** Records at the plan's pace while its listeners follow the stream. */
export async function follow(plan: FollowPlan, server: Server): Promise<LoadResult> {
  const batches = render(plan);
  const { count, following } = plan.listeners ?? { count: 0, following: 'everything' };
  const asked = Array.from({ length: count }, (_, number) => askedBy[following](number));
  const arrivals = new Arrivals(plan, batches, following, asked);
  const paths = asked.map(value => {
    const query = following === 'everything' ? '' : `?${new URLSearchParams({ [following]: value })}`;
    return `${logsPath}/stream${query}`;
  });
  const listeners = await Listeners.open(server, paths, (listener, id, at) => arrivals.take(listener, id, at));
  try {
    const tally = new Tally();
    await record(plan, server, batches, arrivals, tally);
    const result = tally.result();
    if (count === 0) return result;
    for (const until = performance.now() + plan.settleMs; performance.now() < until && arrivals.missing > 0; )
      await setTimeout(lookEveryMs);
    await setTimeout(lingerMs);
    return { ...result, followed: arrivals.followed(listeners.dropped) };
  } finally {
    listeners.close();
  }
}

type Batch = { readonly body: Buffer; readonly messages: number };

/** All bodies beforehand: while it records and listens the load generator leaves the cores to the server. */
function render({ shape, from, to, batchMessages }: FollowPlan): readonly Batch[] {
  const writer = new LogWriter(shape);
  const room = Buffer.alloc((batchMessages + 1) * logBytesMax);
  const batches: Batch[] = [];
  for (let first = from; first < to; first += batchMessages) {
    const end = Math.min(to, first + batchMessages);
    batches.push({ body: Buffer.from(writer.ndjson(room, first, end)), messages: end - first });
  }
  return batches;
}

/** A batch that is slow to be answered does not hold up the next one while a connection is free. */
async function record(
  plan: FollowPlan,
  server: Server,
  batches: readonly Batch[],
  arrivals: Arrivals,
  tally: Tally,
): Promise<void> {
  const everyMs = (plan.batchMessages / plan.messagesPerS) * 1_000;
  let next = 0;
  await onConnections(plan.connections, server, async connection => {
    for (let number = next++; ; number = next++) {
      const batch = batches[number];
      if (batch === undefined) return;
      await setTimeout(Math.max(0, number * everyMs - tally.passedMs));
      const answer = await tally.time(() => connection.post(logsPath, 'application/x-ndjson', batch.body));
      arrivals.answered(number, performance.now());
      if (outcomeOf(answer.body).recorded !== batch.messages) throw unexpected('new messages', batch.messages, answer);
      tally.records += batch.messages;
    }
  });
}

/** Which event has come to which listener, and how long after its recording was answered. */
class Arrivals {
  readonly #plan: FollowPlan;
  readonly #answeredAtMs: Float64Array;
  /** By listener, 1 for each message of the plan that is to come; shared by those that ask for the same. */
  readonly #wanted: readonly Uint8Array[];
  /** By listener and message. */
  readonly #came: readonly Uint8Array[];
  readonly #expected: number;
  readonly #delaysMs: number[] = [];
  #surplus = 0;

  constructor(plan: FollowPlan, batches: readonly Batch[], following: Following, asked: readonly string[]) {
    this.#plan = plan;
    this.#answeredAtMs = new Float64Array(batches.length).fill(Number.POSITIVE_INFINITY);
    const messages = plan.to - plan.from;
    const wanted = new Map(asked.map(value => [value, new Uint8Array(messages)]));
    const lines = batches.flatMap(({ body }) => body.toString().trimEnd().split('\n'));
    for (const [index, line] of lines.entries()) {
      const all = wanted.get(valueIn(line, following));
      if (all !== undefined) all[index] = 1;
    }
    this.#wanted = asked.map(value => wanted.get(value) ?? new Uint8Array(0));
    this.#came = asked.map(() => new Uint8Array(messages));
    const counts = new Map([...wanted].map(([value, all]) => [value, all.reduce((sum, one) => sum + one, 0)]));
    this.#expected = asked.reduce((sum, value) => sum + (counts.get(value) ?? 0), 0);
  }

  answered(batch: number, atMs: number): void {
    this.#answeredAtMs[batch] = atMs;
  }

  /** `id` is the number in a message's id. */
  take(listener: number, id: number, atMs: number): void {
    const { shape, from, batchMessages } = this.#plan;
    const index = id - shape.firstId - from;
    const came = this.#came[listener];
    if (came === undefined || came[index] !== 0 || this.#wanted[listener]?.[index] !== 1) {
      this.#surplus++;
      return;
    }
    came[index] = 1;
    const answeredAtMs = this.#answeredAtMs[Math.floor(index / batchMessages)] ?? Number.NaN;
    this.#delaysMs.push(Math.max(0, atMs - answeredAtMs));
  }

  get missing(): number {
    return this.#expected - this.#delaysMs.length;
  }

  followed(dropped: number): Followed {
    const delay = this.#delaysMs.length > 0 ? { delay: latencies(this.#delaysMs) } : {};
    return { expected: this.#expected, missing: this.missing, surplus: this.#surplus, dropped, ...delay };
  }
}

/** What a rendered message has where listeners ask for it. */
function valueIn(line: string, following: Following): string {
  if (following === 'everything') return '';
  const value = new RegExp(`"${following}":"([^"]*)"`).exec(line)?.[1];
  if (value === undefined) throw new TypeError(`a message has no ${following}`);
  return value;
}

import { availableParallelism } from 'node:os';
import type { LoadResult } from '../load/plan.ts';
import { busyCoresMs } from '../machine.ts';
import type { ServerProcess } from '../server/handle.ts';
import { phaseTimeMs } from '../sizes.ts';
import { type Case, runLoad, type Trial } from './case.ts';

const connections = 16;
/** Which of the two processes record in each part of the log; whatever makes later parts slower falls on both alike. */
const parts = [['first'], ['first', 'second'], ['first', 'second'], ['second']] as const;
const timesAtLeast = 1.6;

export const processes: Case = {
  name: 'processes',
  title:
    'Recording in NDJSON batches by two processes over one database, beside one of them; the reach holds where there are ' +
    `${timesAtLeast} times the cores that are busy with one`,
  logs: 'none',
  drivers: ['sentlog-postgres', 'plain-postgres'],
  messages: sizes => sizes.recorded.comparators,
  figures: [
    { name: 'one', title: `one process, ${connections} connections: messages`, unit: '/s' },
    { name: 'two', title: `two processes, ${connections / 2} connections each: messages`, unit: '/s' },
    {
      name: 'times',
      title: 'two processes, times one',
      unit: '',
      postgresTarget: { atLeast: timesAtLeast, where: 'room' },
    },
    { name: 'room', title: 'what the cores leave room for, times one', unit: '' },
    { name: 'busy-one', title: 'one process: cores busy, with the database and the load', unit: '' },
    { name: 'busy-two', title: 'two processes: cores busy, with the database and the load', unit: '' },
  ],
  run: async trial => {
    const servers = { first: await trial.backend.start(), second: await trial.backend.start() };
    const one = new Stretch();
    const two = new Stretch();
    // The first part warms both up, and counts for nothing.
    await record(trial, 0, [servers.first, servers.second]);
    for (const [place, names] of parts.entries()) {
      const recorders = names.map(name => servers[name]);
      const stretch = recorders.length === 1 ? one : two;
      await stretch.add(() => record(trial, place + 1, recorders));
    }
    await servers.second.stop();
    await trial.backend.stop(servers.first);
    const figures = {
      one: one.perSecond,
      two: two.perSecond,
      times: two.perSecond / one.perSecond,
      room: Math.min(2, availableParallelism() / one.busyCores),
      'busy-one': one.busyCores,
      'busy-two': two.busyCores,
    };
    return { figures };
  },
};

/** What several parts of the log came to together. */
class Stretch {
  #records = 0;
  #durationMs = 0;
  #busyMs = 0;

  async add(recording: () => Promise<LoadResult>): Promise<void> {
    const before = busyCoresMs();
    const { records, durationMs } = await recording();
    this.#busyMs += busyCoresMs() - before;
    this.#records += records;
    this.#durationMs += durationMs;
  }

  get perSecond(): number {
    return this.#records / (this.#durationMs / 1_000);
  }

  get busyCores(): number {
    return this.#busyMs / this.#durationMs;
  }
}

/** Records a part of the log by these processes, an equal share by each. */
function record(trial: Trial, place: number, servers: readonly ServerProcess[]): Promise<LoadResult> {
  const [first, ...others] = servers;
  if (first === undefined) throw new Error('nobody is there to record');
  const messages = Math.floor(trial.shape.messages / (parts.length + 1));
  return runLoad(trial, first, {
    kind: 'record',
    shape: trial.shape,
    from: place * messages,
    to: (place + 1) * messages,
    batchMessages: trial.sizes.batch,
    connections,
    alsoPorts: others.map(server => server.port),
    timeMs: phaseTimeMs,
    untilBroken: false,
  });
}

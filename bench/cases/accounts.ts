import { summaryPath } from '../dataset/queries.ts';
import type { ServerProcess } from '../server/handle.ts';
import { phaseTimeMs } from '../sizes.ts';
import { type Case, perSecond, runLoad, serving, type Trial } from './case.ts';
import { timeReads } from './reading.ts';
import { batchConnections } from './recording.ts';

/** What costs by what is active, measured on a log of one account and once more when many quiet ones have come. */
const kinds = [
  { name: 'record', title: 'recording in NDJSON batches, milliseconds for a thousand messages' },
  { name: 'ready', title: '/health/ready, server side, p50' },
  { name: 'summary', title: 'summary without a filter, 48 hours, server side, p50' },
  { name: 'sweep', title: 'a sweep that drops nothing' },
] as const;
type Times = Readonly<Record<(typeof kinds)[number]['name'], number>>;

const timesAtMost = 2;
const sweeps = 5;

export const accounts: Case = {
  name: 'accounts',
  title:
    'What one busy account and upkeep cost beside many quiet accounts that recorded a message each, times a log without them',
  logs: 'none',
  drivers: ['sentlog', 'sentlog-postgres'],
  messages: sizes => sizes.accounts.messages,
  figures: kinds.flatMap(({ name, title }) => [
    { name: `${name}-alone`, title: `${title}, one account`, unit: 'ms' },
    { name: `${name}-beside`, title: `${title}, beside many`, unit: 'ms' },
    {
      name: `${name}-times`,
      title: `${title}, times one account`,
      unit: '',
      target: { atMost: timesAtMost },
      postgresTarget: { atMost: timesAtMost },
    },
  ]),
  run: trial =>
    serving(trial, async server => {
      const { messages } = trial.shape;
      const part = Math.floor(messages / 3);
      // The first part warms the server up.
      await record(trial, server, 0, part);
      const alone = await timesOf(trial, server, part);
      const { count } = trial.sizes.accounts;
      const { firstSentAt, spanMs } = trial.shape;
      await server.ask({ kind: 'accounts', count, firstSentAt, spanMs }, 'accounts');
      await trial.backend.quiet();
      // What the many recorded is added up by the first sweep; it is what they did, and not what they are.
      await sweep(trial, server);
      const beside = await timesOf(trial, server, 2 * part);
      const figures = kinds.flatMap(({ name }) => [
        [`${name}-alone`, alone[name]],
        [`${name}-beside`, beside[name]],
        [`${name}-times`, beside[name] / alone[name]],
      ]);
      return { figures: Object.fromEntries(figures) };
    }),
};

async function timesOf(trial: Trial, server: ServerProcess, from: number): Promise<Times> {
  const rate = await record(trial, server, from, from + Math.floor(trial.shape.messages / 3));
  const swept: number[] = [];
  for (let i = 0; i < sweeps; i++) swept.push(await sweep(trial, server));
  const { requests, warmUps } = trial.sizes.reads;
  const p50 = async (path: string) => (await timeReads(trial, server, Array(requests + warmUps).fill(path))).inside.p50;
  return {
    record: 1_000_000 / rate,
    sweep: swept.toSorted((a, b) => a - b)[Math.floor(sweeps / 2)] ?? Number.NaN,
    ready: await p50('/health/ready'),
    summary: await p50(summaryPath(trial.shape, {})),
  };
}

/** Messages a second. */
async function record(trial: Trial, server: ServerProcess, from: number, to: number): Promise<number> {
  const { shape, sizes } = trial;
  const plan = { kind: 'record', shape, from, to, batchMessages: sizes.batch, connections: batchConnections } as const;
  return perSecond(await runLoad(trial, server, { ...plan, timeMs: phaseTimeMs, untilBroken: false }));
}

/** Milliseconds. */
async function sweep(trial: Trial, server: ServerProcess): Promise<number> {
  return (await server.ask({ kind: 'drop', before: trial.shape.firstSentAt - 1 }, 'dropped')).durationMs;
}

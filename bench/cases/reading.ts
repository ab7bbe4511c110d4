import { path, paths, type QueryKind, queryKinds } from '../dataset/queries.ts';
import type { Figure } from '../figures.ts';
import type { ServerProcess } from '../server/handle.ts';
import type { Latencies } from '../statistics.ts';
import { type Case, perSecond, runLoad, serving, type Trial } from './case.ts';

const pageLogs = 50;

export const latest: Case = {
  name: 'logs-latest',
  title: 'The latest logs',
  logs: 'both',
  figures: [
    { name: 'p50-of-50', title: '50, server side, p50', unit: 'ms', target: { atMost: 0.5 } },
    { name: 'p99-of-50', title: '50, server side, p99', unit: 'ms', target: { atMost: 3 } },
    { name: 'whole-p50-of-50', title: '50, end to end, p50', unit: 'ms' },
    { name: 'whole-p99-of-50', title: '50, end to end, p99', unit: 'ms' },
    { name: 'p50-of-1000', title: '1000, server side, p50', unit: 'ms', target: { atMost: 3 } },
    { name: 'p99-of-1000', title: '1000, server side, p99', unit: 'ms', target: { atMost: 10 } },
    { name: 'whole-p50-of-1000', title: '1000, end to end, p50', unit: 'ms' },
    { name: 'whole-p99-of-1000', title: '1000, end to end, p99', unit: 'ms' },
  ],
  run: trial =>
    serving(trial, async server => {
      const figures: Record<string, number> = {};
      for (const limit of [50, 1_000]) {
        const { requests, warmUps } = trial.sizes.reads;
        const read = await timeReads(trial, server, Array(requests + warmUps).fill(path({ limit: String(limit) })));
        figures[`p50-of-${limit}`] = read.inside.p50;
        figures[`p99-of-${limit}`] = read.inside.p99;
        figures[`whole-p50-of-${limit}`] = read.whole.p50;
        figures[`whole-p99-of-${limit}`] = read.whole.p99;
      }
      return { figures };
    }),
};

export const filters: Case = {
  name: 'filters',
  title: `Each filter alone, pages of ${pageLogs}, server side`,
  logs: 'both',
  figures: queryKinds.filter(kind => !kind.rare).flatMap(filterFigures),
  run: trial => serving(trial, server => runKinds(trial, server, kind => !kind.rare)),
};

export const rare: Case = {
  name: 'rare',
  title: 'What few or no messages match, server side',
  logs: 'both',
  figures: queryKinds.filter(kind => kind.rare).flatMap(filterFigures),
  run: trial => serving(trial, server => runKinds(trial, server, kind => kind.rare)),
};

export const walk: Case = {
  name: 'walk',
  title: 'Following the cursor over 100 pages of 1000',
  logs: 'greatest',
  figures: [
    { name: 'rate', title: 'logs, end to end', unit: '/s' },
    { name: 'p50', title: 'a page, server side, p50', unit: 'ms' },
    { name: 'p99', title: 'a page, server side, p99', unit: 'ms' },
  ],
  run: trial =>
    serving(trial, async server => {
      const { pages, pageLogs: limit } = trial.sizes.walk;
      const first = path({ limit: String(limit), useCursor: 'true' });
      await server.ask({ kind: 'timings' }, 'timings');
      const result = await runLoad(trial, server, { kind: 'walk', path: first, pages });
      if (result.records !== Math.min(pages * limit, trial.shape.messages))
        throw new Error(`the walk gave ${result.records} logs`);
      const { p50, p99 } = await takeTimings(server);
      return { figures: { rate: perSecond(result), p50, p99 } };
    }),
};

function filterFigures(kind: QueryKind): readonly Figure[] {
  return [
    { name: `${kind.name}-p50`, title: `${kind.title}, p50`, unit: 'ms' },
    {
      name: `${kind.name}-p99`,
      title: `${kind.title}, p99`,
      unit: 'ms',
      target: { atMost: 10, growthAtMost: 1.5 },
      postgresTarget: { atMost: 15, timesAtMost: { driver: 'plain-postgres', times: 1 } },
    },
  ];
}

async function runKinds(trial: Trial, server: ServerProcess, asked: (kind: QueryKind) => boolean) {
  const figures: Record<string, number> = {};
  const { requests, warmUps } = trial.sizes.reads;
  for (const kind of queryKinds.filter(asked)) {
    const read = await timeReads(trial, server, paths(kind, trial.shape, requests + warmUps, pageLogs));
    figures[`${kind.name}-p50`] = read.inside.p50;
    figures[`${kind.name}-p99`] = read.inside.p99;
  }
  return { figures };
}

type ReadTimes = { readonly inside: Latencies; readonly whole: Latencies };

/** Times requests one after the other, after the first of them have warmed the server up. */
export async function timeReads(trial: Trial, server: ServerProcess, all: readonly string[]): Promise<ReadTimes> {
  const { warmUps, timeMs } = trial.sizes.reads;
  const read = (some: readonly string[]) =>
    runLoad(trial, server, { kind: 'read', paths: some, timeMs, untilStopped: false });
  await read(all.slice(0, warmUps));
  await server.ask({ kind: 'timings' }, 'timings');
  const { latency } = await read(all.slice(warmUps));
  if (latency === undefined) throw new Error('no request was answered in time');
  return { inside: await takeTimings(server), whole: latency };
}

async function takeTimings(server: ServerProcess): Promise<Latencies> {
  const { latency } = await server.ask({ kind: 'timings' }, 'timings');
  if (latency === undefined) throw new Error('the server saw no request');
  return latency;
}

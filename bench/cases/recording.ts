import { phaseTimeMs } from '../sizes.ts';
import { bySize, type Case, perSecond, runLoad, serving } from './case.ts';

export const batchConnections = 8;
const singleConnections = 64;

export const recordNdjson: Case = {
  name: 'record-ndjson',
  title: `Recording in NDJSON batches, ${batchConnections} connections, every batch durable`,
  logs: 'none',
  messages: (sizes, driver) => bySize(driver, sizes.recorded),
  figures: [
    {
      name: 'rate',
      title: 'messages',
      unit: '/s',
      target: { atLeast: 150_000, timesAtLeast: { driver: 'plain-postgres', times: 4 } },
      postgresTarget: { timesAtLeast: { driver: 'plain-postgres', times: 2 } },
    },
    { name: 'p99', title: 'p99 of a batch', unit: 'ms' },
  ],
  run: trial =>
    serving(trial, async server => {
      const result = await runLoad(trial, server, {
        kind: 'record',
        shape: trial.shape,
        from: 0,
        to: trial.shape.messages,
        batchMessages: trial.sizes.batch,
        connections: batchConnections,
        timeMs: phaseTimeMs,
        untilBroken: false,
      });
      return { figures: { rate: perSecond(result), p99: result.latency?.p99 ?? Number.NaN } };
    }),
};

export const recordSingle: Case = {
  name: 'record-single',
  title: `Recording one message a request, ${singleConnections} connections`,
  logs: 'none',
  messages: sizes => sizes.singles.messages,
  figures: [
    { name: 'rate', title: 'messages', unit: '/s', target: { atLeast: 8_000 } },
    { name: 'p50', title: 'p50', unit: 'ms' },
    { name: 'p99', title: 'p99', unit: 'ms', target: { atMost: 25 } },
  ],
  run: trial =>
    serving(trial, async server => {
      const result = await runLoad(trial, server, {
        kind: 'record',
        shape: trial.shape,
        from: 0,
        to: trial.shape.messages,
        batchMessages: 1,
        connections: singleConnections,
        timeMs: trial.sizes.singles.timeMs,
        untilBroken: false,
      });
      const { p50, p99 } = result.latency ?? { p50: Number.NaN, p99: Number.NaN };
      return { figures: { rate: perSecond(result), p50, p99 } };
    }),
};

import type { ReportOrder } from '../dataset/report-writer.ts';
import { phaseTimeMs } from '../sizes.ts';
import { bySize, type Case, perSecond, runLoad, serving, type Trial } from './case.ts';
import { batchConnections } from './recording.ts';

export const reports: Case = {
  name: 'reports',
  title: `Status reports in NDJSON batches, ${batchConnections} connections`,
  logs: 'greatest',
  figures: [
    { name: 'recent', title: 'on the latest messages, in order', unit: '/s', target: { atLeast: 60_000 } },
    { name: 'random', title: 'on messages of the whole log, in no order', unit: '/s', target: { atLeast: 60_000 } },
  ],
  run: trial =>
    serving(trial, async server => {
      const rate = async (order: ReportOrder) =>
        perSecond(
          await runLoad(trial, server, {
            kind: 'report',
            shape: trial.shape,
            order,
            ...portion(trial, order),
            batchReports: trial.sizes.batch,
            connections: batchConnections,
            timeMs: phaseTimeMs,
          }),
        );
      return { figures: { recent: await rate('recent'), random: await rate('random') } };
    }),
};

/** Other messages in every round: a report that came before would be cheaper. */
function portion(trial: Trial, order: ReportOrder): { from: number; to: number } {
  const { messages } = trial.shape;
  const count = bySize(trial.driver, trial.sizes.reports);
  const from = order === 'recent' ? messages - (trial.round + 1) * count : trial.round * count;
  if (from < 0 || from + count > messages) throw new RangeError('the log is too small for so many rounds of reports');
  return { from, to: from + count };
}

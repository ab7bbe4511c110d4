import { logsPath, path, paths, queryKinds, summaryPath } from '../dataset/queries.ts';
import type { ReportOrder } from '../dataset/report-writer.ts';
import { type LogShape, messageId } from '../dataset/shape.ts';
import { phaseTimeMs } from '../sizes.ts';
import { type Case, runLoad, serving } from './case.ts';

const queriesPerKind = 4;
const histories = 20;

/** Figures of drivers that answer differently compare nothing. */
export const agreement: Case = {
  name: 'agreement',
  title: 'The same answers on every driver',
  logs: 'none',
  messages: sizes => sizes.agreement,
  figures: [{ name: 'answers', title: 'queries, messages, summaries and walks compared', unit: '' }],
  run: trial =>
    serving(trial, async server => {
      const { shape, sizes } = trial;
      // One connection, so that messages of one millisecond are recorded in the same order everywhere.
      const common = { shape, connections: 1, timeMs: phaseTimeMs };
      const recording = { from: 0, to: shape.messages, batchMessages: sizes.batch, untilBroken: false } as const;
      await runLoad(trial, server, { kind: 'record', ...common, ...recording });
      const report = (order: ReportOrder, from: number, to: number) =>
        runLoad(trial, server, { kind: 'report', ...common, order, from, to, batchReports: sizes.batch });
      await report('recent', Math.floor(shape.messages / 2), shape.messages);
      await report('random', 0, Math.floor(shape.messages / 4));
      const questions = { paths: questionsOn(shape), walks: [path({ limit: '137', useCursor: 'true' })] };
      const { digests } = await runLoad(trial, server, { kind: 'digest', ...questions });
      const asked = [...questions.paths, ...questions.walks];
      const answers = Object.fromEntries(asked.map((question, place) => [question, digests[place] ?? '']));
      return { figures: { answers: digests.length }, answers };
    }),
};

function questionsOn(shape: LogShape): readonly string[] {
  const queries = queryKinds.flatMap(kind => [
    ...paths(kind, shape, queriesPerKind, 50),
    ...paths(kind, shape, queriesPerKind, 1_000),
  ]);
  const step = Math.max(1, Math.floor(shape.messages / histories));
  const ids = Array.from({ length: histories }, (_, place) => messageId(shape, place * step));
  const messages = ids.map(id => `${logsPath.replace('/logs', '/messages')}/${id}`);
  const summaries = queryKinds.flatMap(kind => [
    summaryPath(shape, kind.parameters(shape, 0)),
    summaryPath(shape, { ...kind.parameters(shape, 1), buckets: '7' }),
  ]);
  return [...new Set([...queries, ...messages, summaryPath(shape, {}), ...summaries])];
}

import { summaryPath } from '../dataset/queries.ts';
import { campaign, campaignCount, rareSender, sender, senderCount } from '../dataset/shape.ts';
import { type Case, serving } from './case.ts';
import { timeReads } from './reading.ts';

type Kind = {
  readonly name: string;
  readonly title: string;
  readonly atMostMs: number;
  parameters(number: number): Readonly<Record<string, string>>;
};

const kinds: readonly Kind[] = [
  { name: 'all', title: 'without a filter, 48 hours', atMostMs: 20, parameters: () => ({}) },
  { name: 'sender', title: 'by sender', atMostMs: 520, parameters: n => ({ sender: sender(n % senderCount) }) },
  {
    name: 'campaign',
    title: 'by campaign',
    atMostMs: 520,
    parameters: n => ({ campaignReferenceId: campaign(n % campaignCount) }),
  },
  { name: 'failed', title: 'of what was rejected', atMostMs: 520, parameters: () => ({ generalStatus: 'REJECTED' }) },
  { name: 'rare', title: 'of ten messages', atMostMs: 520, parameters: () => ({ sender: rareSender }) },
];

export const summary: Case = {
  name: 'summary',
  title: 'Summaries in 60 buckets, server side; filtered ones of sentlog take half a second at most',
  logs: 'both',
  figures: kinds.flatMap(({ name, title, atMostMs }) => [
    { name: `${name}-p50`, title: `${title}, p50`, unit: 'ms' },
    { name: `${name}-p99`, title: `${title}, p99`, unit: 'ms', target: { atMost: atMostMs } },
  ]),
  run: trial =>
    serving(trial, async server => {
      const figures: Record<string, number> = {};
      const { requests, warmUps } = trial.sizes.reads;
      for (const { name, parameters } of kinds) {
        const paths = Array.from({ length: requests + warmUps }, (_, n) => summaryPath(trial.shape, parameters(n)));
        const { inside } = await timeReads(trial, server, paths);
        figures[`${name}-p50`] = inside.p50;
        figures[`${name}-p99`] = inside.p99;
      }
      return { figures };
    }),
};

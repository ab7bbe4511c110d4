import { senderCount } from '../dataset/shape.ts';
import type { Figure } from '../figures.ts';
import type { Followed, Following, LoadResult } from '../load/plan.ts';
import type { ServerProcess } from '../server/handle.ts';
import { type Case, perSecond, runLoad, serving, type Trial } from './case.ts';

const connections = 8;
const settleMs = 10_000;
const mebibyte = 2 ** 20;

/** What all listeners of a phase ask for, and what the phase's rows are called by. */
type Phase = { readonly following: Following; readonly title: string };

const phases: readonly Phase[] = [
  { following: 'destination', title: 'each with a destination' },
  { following: 'sender', title: `each with one of ${senderCount} senders` },
  { following: 'everything', title: 'each with everything' },
];

const none = { atMost: 0 };
/** Recording is not harmed while a batch takes at most so many times what it takes without listeners. */
const unharmed = { atMost: 2 };
const both = (target: NonNullable<Figure['target']>) => ({ target, postgresTarget: target });

/** The store promises to wake whoever follows within a second. */
const figuresOf = ({ following, title }: Phase): readonly Figure[] => [
  { name: `${following}-rate`, title: `${title}: messages`, unit: '/s' },
  { name: `${following}-p50`, title: `${title}: p50 of a batch`, unit: 'ms' },
  { name: `${following}-p99`, title: `${title}: p99 of a batch`, unit: 'ms' },
  { name: `${following}-p50-ratio`, title: `${title}: p50, times that without listeners`, unit: '', ...both(unharmed) },
  { name: `${following}-p99-ratio`, title: `${title}: p99, times that without listeners`, unit: '', ...both(unharmed) },
  { name: `${following}-delay-p50`, title: `${title}: answer to event, p50`, unit: 'ms' },
  { name: `${following}-delay-p99`, title: `${title}: answer to event, p99`, unit: 'ms', ...both({ atMost: 1_000 }) },
  { name: `${following}-events`, title: `${title}: events to come`, unit: '' },
  { name: `${following}-missing`, title: `${title}: events that did not`, unit: '', ...both(none) },
  { name: `${following}-surplus`, title: `${title}: events too many`, unit: '', ...both(none) },
  { name: `${following}-dropped`, title: `${title}: listeners dropped`, unit: '', ...both(none) },
];

export const stream: Case = {
  name: 'stream',
  title: 'Recording 1,000 messages a second in batches of 10 while 1,000 listeners follow the log',
  logs: 'none',
  messages: ({ stream: { messagesPerS, seconds } }) => messagesPerS * seconds * (phases.length + 2),
  figures: [
    { name: 'alone-rate', title: 'without listeners: messages', unit: '/s' },
    { name: 'alone-p50', title: 'without listeners: p50 of a batch', unit: 'ms' },
    { name: 'alone-p99', title: 'without listeners: p99 of a batch', unit: 'ms' },
    ...phases.flatMap(figuresOf),
    { name: 'peak', title: 'resident memory, most of all', unit: 'MB', target: { atMost: 400 } },
  ],
  run: trial =>
    serving(trial, async server => {
      // The first phase warms up, and counts for nothing: what comes later would look better beside it.
      await record(trial, server, 0);
      const alone = await record(trial, server, 1);
      const without = latencyOf(alone);
      const figures: Record<string, number> = {
        'alone-rate': perSecond(alone),
        'alone-p50': without.p50,
        'alone-p99': without.p99,
      };
      for (const [place, { following }] of phases.entries()) {
        const result = await record(trial, server, place + 2, following);
        const { p50, p99 } = latencyOf(result);
        const { expected, missing, surplus, dropped, delay } = followedOf(result);
        const own = {
          rate: perSecond(result),
          p50,
          p99,
          'p50-ratio': p50 / without.p50,
          'p99-ratio': p99 / without.p99,
          'delay-p50': delay?.p50 ?? Number.NaN,
          'delay-p99': delay?.p99 ?? Number.NaN,
          events: expected,
          missing,
          surplus,
          dropped,
        };
        for (const [name, value] of Object.entries(own)) figures[`${following}-${name}`] = value;
      }
      const { peakBytes } = await trial.backend.memory(server);
      return { figures: { ...figures, peak: peakBytes / mebibyte } };
    }),
};

/** Records the `place`th part of the log, with listeners when `following` is given. */
function record(trial: Trial, server: ServerProcess, place: number, following?: Following): Promise<LoadResult> {
  const { listeners, messagesPerS, seconds, batch } = trial.sizes.stream;
  const messages = messagesPerS * seconds;
  return runLoad(trial, server, {
    kind: 'follow',
    shape: trial.shape,
    from: place * messages,
    to: (place + 1) * messages,
    batchMessages: batch,
    messagesPerS,
    connections,
    ...(following !== undefined && { listeners: { count: listeners, following } }),
    settleMs,
  });
}

function latencyOf({ latency }: LoadResult) {
  return latency ?? { p50: Number.NaN, p99: Number.NaN };
}

function followedOf({ followed }: LoadResult): Followed {
  if (followed === undefined) throw new Error('nobody followed');
  return followed;
}

import { setTimeout } from 'node:timers/promises';
import type { SendingPair } from '../sending/handle.ts';
import type { Sends } from '../sending/messages.ts';
import { phaseTimeMs } from '../sizes.ts';
import { type Case, perSecond, type Trial } from './case.ts';

const connections = 8;
const batchMessages = 100;
const pageCount = 20;
const lookEveryMs = 50;
const pages = Array.from({ length: pageCount }, (_, index) => String(1_000_000 + index));

export const sending: Case = {
  name: 'sending',
  title:
    `Sending over a simulated Meta, accepted in requests of ${batchMessages} over ${connections} connections; ` +
    'beside a plain table of jobs without order, rates, reports, a log, or care for lost answers',
  logs: 'none',
  messages: ({ sends }) => sends.queued + sends.many,
  figures: [
    {
      name: 'accepted',
      title: 'accepted while one page sends: messages',
      unit: '/s',
      target: { atLeast: 5_000 },
      postgresTarget: { atLeast: 5_000 },
    },
    { name: 'accept-p99', title: 'p99 of a request', unit: 'ms' },
    { name: 'peak', title: 'memory of the server, most, with all these in line', unit: 'MB' },
    {
      name: 'one',
      title: 'sent over one page: messages',
      unit: '/s',
      target: { atLeast: 250 },
      postgresTarget: { atLeast: 250 },
    },
    {
      name: 'many',
      title: `sent over ${pageCount} pages, with all receipts: messages`,
      unit: '/s',
      target: { atLeast: 2_000 },
      postgresTarget: { atLeast: 2_000 },
    },
    {
      name: 'events',
      title: 'events of webhooks meanwhile',
      unit: '/s',
      target: { atLeast: 2_000 },
      postgresTarget: { atLeast: 2_000 },
    },
    {
      name: 'slowest',
      title: 'the slowest answer to a webhook',
      unit: 'ms',
      target: { atMost: 5_000 },
      postgresTarget: { atMost: 5_000 },
    },
  ],
  run: async trial => {
    const { queued, one, many } = trial.sizes.sends;
    const pair = await trial.backend.startSending(pages);
    await accept(trial, pair, pages, 0, many);
    const overMany = await until(pair, 0, sends => sends.messages >= many && sends.isQuiet);
    const accepted = await accept(trial, pair, pages.slice(0, 1), many, many + queued);
    const { peakBytes } = await pair.memory();
    const overOne = await until(pair, many, sends => sends.messages >= Math.min(one, queued));
    await pair.end();
    await trial.backend.endSending();
    const figures = {
      accepted: perSecond(accepted),
      'accept-p99': accepted.latency?.p99 ?? Number.NaN,
      peak: peakBytes / 2 ** 20,
      one: rateOf(overOne.messages, overOne.durationMs),
      many: rateOf(overMany.messages, overMany.durationMs),
      events: rateOf(overMany.events, overMany.eventsMs),
      slowest: overMany.slowestCallMs,
    };
    return { figures };
  },
};

function rateOf(count: number, durationMs: number): number {
  return count / (Math.max(1, durationMs) / 1_000);
}

function accept(trial: Trial, { port, authorization }: SendingPair, over: readonly string[], from: number, to: number) {
  return trial.load.run(port, authorization, {
    kind: 'send',
    pages: over,
    from,
    to,
    batchMessages,
    connections,
    timeMs: phaseTimeMs,
  });
}

async function until(pair: SendingPair, after: number, isEnough: (sends: Sends) => boolean): Promise<Sends> {
  for (const end = performance.now() + phaseTimeMs; ; ) {
    const sends = await pair.sends(after);
    if (isEnough(sends)) return sends;
    if (performance.now() > end) throw new Error(`only ${sends.messages} messages were sent in the time there was`);
    await setTimeout(lookEveryMs);
  }
}

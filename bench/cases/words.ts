import { setTimeout } from 'node:timers/promises';
import { path } from '../dataset/queries.ts';
import { messageId } from '../dataset/shape.ts';
import { expiredWord } from '../dataset/templates.ts';
import type { ServerProcess } from '../server/handle.ts';
import { type Case, serving, type Trial } from './case.ts';
import { timeReads } from './reading.ts';

const limit = '50';
const lookEveryMs = 500;
/** Files of words are made at leisure after a log was recorded: those of a segment in some ten seconds. */
const readyWithinMs = 20 * 60_000;

/** What is looked for, and how long a page of it may take at the 99th percentile. */
const kinds = [
  { name: 'rare', title: 'a word that 1 in 100,000 has', text: () => expiredWord, atMost: 20 },
  { name: 'absent', title: 'a word that none has', text: () => 'nowhere', atMost: 20 },
  { name: 'frequent', title: 'a word that 1 in 8 has', text: () => 'parcel', atMost: 20 },
  {
    name: 'part',
    title: 'a part of an id, how far it comes in its time',
    text: ({ shape }: Trial) => messageId(shape, 0).slice(3),
    atMost: 1_200,
  },
] as const;

export const words: Case = {
  name: 'words',
  title: `Words and parts of ids, pages of ${limit}, server side`,
  logs: 'greatest',
  drivers: ['sentlog'],
  figures: kinds.flatMap(({ name, title, atMost }) => [
    { name: `${name}-p50`, title: `${title}, p50`, unit: 'ms' as const },
    { name: `${name}-p99`, title: `${title}, p99`, unit: 'ms' as const, target: { atMost } },
  ]),
  run: trial =>
    serving(trial, async server => {
      await untilMade(server);
      const figures: Record<string, number> = {};
      const { requests, warmUps } = trial.sizes.reads;
      for (const { name, text } of kinds) {
        const read = await timeReads(trial, server, Array(requests + warmUps).fill(path({ text: text(trial), limit })));
        figures[`${name}-p50`] = read.inside.p50;
        figures[`${name}-p99`] = read.inside.p99;
      }
      return { figures };
    }),
};

/** Until the whole log is looked through in the time of one page, which it is where words of its segments are told. */
async function untilMade({ port, authorization }: ServerProcess): Promise<void> {
  const url = `http://127.0.0.1:${port}${path({ text: 'nowhere', limit })}`;
  for (const end = performance.now() + readyWithinMs; performance.now() < end; await setTimeout(lookEveryMs)) {
    const answer = await fetch(url, { headers: { authorization } });
    if (answer.ok && !(await answer.text()).includes('"searchedSince"')) return;
  }
}

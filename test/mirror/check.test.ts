import { expect, test } from 'vitest';
import { Check, type Difference } from '../../src/mirror/check.ts';
import { type Ask, askUpstream } from '../../src/mirror/upstream.ts';
import { hour, minute, World } from './world.ts';

const key = 'the-key-of-the-other-side';

/** Two sides that have the same messages, seen through `bend` on ours. */
async function checked(bend: (log: Record<string, unknown>) => object | undefined, count = 2400) {
  const world = new World({ requestsPerMinute: 1_000_000 });
  world.addPast(count, 2 * hour);
  world.now += 10 * minute;
  const theirs = askUpstream({ from: 'http://x', key, fetch: world.infobip.fetch, clock: () => world.now });
  const ours: Ask = async (question, signal) => {
    const heard = await theirs(question, signal);
    if (heard.rows === undefined) return heard;
    const results = heard.rows.results.flatMap(text => {
      const bent = bend(JSON.parse(text));
      return bent === undefined ? [] : [JSON.stringify(bent)];
    });
    return { ...heard, rows: { ...heard.rows, results } };
  };
  const wait = async (ms: number) => {
    world.now += ms;
  };
  const answer = await new Check({ theirs, ours, from: world.now - 3 * hour, until: world.now, wait }).run();
  return { ...answer, asked: world.infobip.asked };
}

const fieldsOf = (differences: readonly Difference[]) => [...new Set(differences.map(one => one.field))].sort();

test('both sides the same, in other spellings → no difference; every filter and every message was asked for', async () => {
  const { differences, messages, asked } = await checked(({ sentAt, ...log }) => ({
    seen: null,
    sentAt: String(sentAt).replace('+0000', 'Z'),
    ...log,
  }));
  expect(differences).toEqual([]);
  expect(messages).toBe(2400);
  for (const name of [
    'sender',
    'destination',
    'bulkId',
    'messageId',
    'generalStatus',
    'entityId',
    'applicationId',
    'campaignReferenceId',
    'cursor',
  ])
    expect(
      asked.some(({ target }) => new URL(target, 'http://x').searchParams.has(name)),
      name,
    ).toBe(true);
});

test('a message that is missing here, and fields that differ → each told by its path', async () => {
  const { differences } = await checked(log => {
    if (log.messageId === 'message-7') return undefined;
    if (log.messageId !== 'message-8') return log;
    return {
      ...log,
      content: { type: 'TEXT', text: 'other' },
      status: { ...Object(log.status), name: 'OTHER' },
      more: 1,
    };
  });
  expect(differences.filter(one => one.messageId === 'message-7').map(one => one.field)).toContain('message');
  expect(fieldsOf(differences.filter(one => one.messageId === 'message-8'))).toEqual([
    'content',
    'more',
    'status.name',
  ]);
  expect(differences.every(one => ['message-7', 'message-8'].includes(one.messageId))).toBe(true);
});

test('what differs only until the next look → is no difference', async () => {
  let answers = 0;
  const { differences } = await checked(
    log => (log.messageId === 'message-9' && answers++ < 1 ? { ...log, messageCount: 9 } : log),
    100,
  );
  expect(differences).toEqual([]);
});

test('a side that gives no answer → told why', async () => {
  const world = new World();
  const ask = askUpstream({ from: 'http://x', key: 'wrong', fetch: world.infobip.fetch, clock: () => world.now });
  const check = new Check({ theirs: ask, ours: ask, from: world.now - minute, until: world.now, wait: async () => {} });
  await expect(check.run()).rejects.toThrow('refuses the key (401');
});

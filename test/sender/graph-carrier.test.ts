import { expect, onTestFinished, test } from 'vitest';
import { Unavailable, Unusable } from '../../src/failures.ts';
import { GraphCalls } from '../../src/sender/graph-calls.ts';
import { GraphCarrier } from '../../src/sender/graph-carrier.ts';
import { receiver as graph } from '../support/receiver.ts';

test('the keys of a page cannot be had, for whatever reason → nothing was sent, and the answer says so', async () => {
  let calls = 0;
  const port = await graph((_, response) => {
    calls++;
    response.end('{}');
  });
  const client = new GraphCalls({ url: `http://127.0.0.1:${port}`, version: 'v25.0' });
  onTestFinished(() => client.close());
  const row = { account: 1, page: '1', sealedAppSecrets: [], changedAt: 1, isWatched: false };
  const failing = (error: Error) => () => {
    throw error;
  };
  const keys = () => ({ token: 'a', appSecret: 'b' });
  const senders = [
    { find: async () => failing(new Unavailable('the database is away'))(), keys },
    { find: async () => row, keys: failing(new Unusable('another secret')) },
    { find: async () => row, keys: failing(new TypeError('a defect')) },
    { find: async () => undefined, keys },
  ];
  const answers = senders.map(one => new GraphCarrier(client, one).send(1, { id: '1', version: '1' }, body));
  const reasons = ['the database is away', 'another secret', 'a defect', 'the sender was removed'];
  expect(await Promise.all(answers)).toEqual(reasons.map(reason => ({ kind: 'unreachable', reason })));
  expect(calls).toBe(0);
});

const body = { recipient: { id: '2' }, message: { text: 'a', metadata: 'm' } };

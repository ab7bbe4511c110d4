import { describe, expect, test } from 'vitest';
import { recorder } from '../../scripts/demo/recorder.ts';
import type { Arrival } from '../../scripts/demo/traffic.ts';

const arrivals = (count: number): readonly Arrival[] =>
  Array.from({ length: count }, (_, index) => ({
    dueAt: index,
    sentAt: index,
    messageId: String(index),
    record: { messageId: String(index) },
  }));

type Sent = { readonly url: string; readonly authorization: string | null; readonly lines: readonly string[] };

/** A log that gives these answers, one after the other. */
function log(...answers: readonly Response[]) {
  const left = [...answers];
  const sent: Sent[] = [];
  const waits: number[] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    sent.push({ url: String(url), authorization: headers.get('authorization'), lines: String(init?.body).split('\n') });
    const answer = left.shift();
    if (answer === undefined) throw new Error('one request too many');
    return answer;
  };
  const wait = async (ms: number) => {
    waits.push(ms);
  };
  return { record: recorder('http://log', 'key', { fetch, wait }), sent, waits };
}

const outcome = (recorded: number, rejected: readonly object[] = []) =>
  Response.json({ recorded, updated: 1, unchanged: 2, rejected });

describe("the demo's recorder", () => {
  test('more than 20,000 records → several requests, their counts added', async () => {
    const { record, sent } = log(outcome(20_000), outcome(500, [{ index: 3 }]));
    const tally = await record(arrivals(20_501));
    expect(tally).toEqual({ recorded: 20_500, updated: 2, unchanged: 4, rejected: 1, firstRejection: '{"index":3}' });
    expect(sent.map(one => one.lines.length)).toEqual([20_001, 502]);
    expect(sent[0]).toMatchObject({ url: 'http://log/messenger/1/logs', authorization: 'App key' });
    expect(sent[0]?.lines[0]).toBe('{"messageId":"0"}');
  });

  test('nothing to record → no request', async () => {
    const { record, sent } = log();
    expect(await record([])).toMatchObject({ recorded: 0, rejected: 0 });
    expect(sent).toEqual([]);
  });

  test('a busy log → asked again after the time it gives', async () => {
    const busy = new Response('', { status: 503, headers: { 'retry-after': '2' } });
    const limited = new Response('', { status: 429, headers: { 'retry-after': '7' } });
    const { record, sent, waits } = log(busy, limited, outcome(1));
    expect(await record(arrivals(1))).toMatchObject({ recorded: 1 });
    expect(waits).toEqual([2000, 7000]);
    expect(sent).toHaveLength(3);
  });

  test('a batch of which nothing is accepted → all of it rejected', async () => {
    const { record } = log(new Response('all wrong', { status: 400 }));
    expect(await record(arrivals(2))).toMatchObject({ rejected: 2, firstRejection: 'all wrong' });
  });

  test('a refused key → an error with the answer', async () => {
    const { record } = log(new Response('who are you', { status: 401 }));
    await expect(record(arrivals(1))).rejects.toThrow('the log answered 401: who are you');
  });
});

import { expect, test } from 'vitest';
import { receiptsIn } from '../../src/graph/webhook-events.ts';

const now = Date.UTC(2026, 1, 3);
const latest = now + 5 * 60_000;
const page = { id: '1' };
const person = { id: '2' };

test('whatever is said to have happened, and up to when, by a clock that is ahead → five minutes ahead at most', () => {
  const echo = { message: { is_echo: true, mid: 'm' }, sender: page, recipient: person };
  const receipts = [
    { delivery: { mids: ['m'], watermark: 0 } },
    { delivery: { watermark: 0 } },
    { read: { watermark: 0 } },
  ];
  for (const ahead of [300_001, 3 * 3_600_000, 251_788_162_760_703, Number.MAX_SAFE_INTEGER - now]) {
    const said = now + ahead;
    const events = [echo, ...receipts.map(one => ({ ...one, sender: person, recipient: page }))].flatMap(event => [
      { ...event, timestamp: said },
      JSON.parse(JSON.stringify(event), (name, value) => (name === 'watermark' ? said : value)),
    ]);
    const read = receiptsIn({ object: 'page', entry: [{ id: '1', messaging: events }] }, now) ?? [];
    expect(read.length).toBeGreaterThan(5);
    for (const receipt of read) {
      expect(receipt.at).toBeLessThanOrEqual(latest);
      if ('watermark' in receipt) expect(receipt.watermark).toBeLessThanOrEqual(latest);
    }
  }
  const near = { ...echo, timestamp: now + 299_000 };
  expect(receiptsIn({ object: 'page', entry: [{ id: '1', messaging: [near] }] }, now)).toMatchObject([
    { at: now + 299_000 },
  ]);
});

test('an echo without an id, or with none to speak of → left out: no message could be found by it', () => {
  for (const mid of [undefined, null, '', 5, { toString: [] }]) {
    const echo = { message: { is_echo: true, mid, text: 'x' }, sender: page, recipient: person };
    expect(receiptsIn({ object: 'page', entry: [{ id: '1', messaging: [echo] }] }, now)).toEqual([]);
  }
});

import { expect, it } from 'vitest';
import { receiptsIn } from '../../src/graph/webhook-events.ts';
import { receiptsOf } from '../../src/sender/watching.ts';

it('events of several pages → each for the accounts it was proven for; foreign to those of them that watch; else for nobody', () => {
  const at = 1_700_000_000_000;
  const event = { sender: { id: 'p' }, recipient: { id: 'q' }, timestamp: at };
  const messaging = [
    { ...event, message: { is_echo: true, mid: 'mid', text: 'Hello', metadata: 'm1' } },
    { ...event, delivery: { mids: ['mid'], watermark: at } },
    { ...event, read: { watermark: at } },
  ];
  const body = { object: 'page', entry: ['1', '2', '3'].map(id => ({ id, messaging })) };
  const proven = new Map([
    ['1', [7, 8]],
    ['2', [8]],
  ]);
  // 9 watches as well, but what was signed is not proven by its secret.
  const watchers = new Map([
    ['1', [8, 9]],
    ['2', [9]],
    ['3', [7, 9]],
  ]);
  const receipts = receiptsOf(receiptsIn(body, at) ?? [], proven, watchers);
  const told = receipts.map(one => [
    ...[one.page, one.kind, one.accounts],
    ...(one.kind === 'echo' && one.foreign !== undefined ? [one.foreign.accounts] : []),
  ]);
  expect(told).toEqual([
    ['1', 'echo', [7, 8], [8]],
    ['1', 'delivered', [7, 8]],
    ['1', 'read', [7, 8]],
    ['2', 'echo', [8]],
    ['2', 'delivered', [8]],
    ['2', 'read', [8]],
  ]);
});

it('a foreign message → its numbers as they are written, whatever a double makes of them', () => {
  const text =
    '{"sender":{"id":"p"},"recipient":{"id":"q"},"timestamp":1,' +
    '"message":{"is_echo":true,"mid":"mid","app_id":26390203743090123456,"text":"a","more":1.10}}';
  const body = { object: 'page', entry: [{ id: 'p', messaging: [JSON.parse(text)], texts: [text] }] };
  const both = new Map([['p', [7]]]);
  const [receipt] = receiptsOf(receiptsIn(body, 2) ?? [], both, both);
  const foreign = receipt?.kind === 'echo' ? receipt.foreign : undefined;
  expect(foreign?.message.applicationId).toBe('26390203743090123456');
  expect(foreign?.message.contentJson).toBe('{"more":1.10,"type":"TEXT","text":"a"}');
});

import { expect, test } from 'vitest';
import { webhookUrlFlaw } from '../../src/domain/webhook-url.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';

const address = 'must be an http or https address of at most 2048 characters';
const user = 'must have a user and password that are percent-encoded UTF-8';

test.each([
  ['https://reports.example/hook?id=1', undefined],
  ['http://us%C3%A9r:p%40ss@reports.example/', undefined],
  [`https://reports.example/${'x'.repeat(2048 - 24)}`, undefined],
  [`https://reports.example/${'x'.repeat(2048 - 23)}`, address],
  [`https://reports.example/${'ž'.repeat(700)}`, address],
  ['http://', address],
  ['http://a:99999/', address],
  ['ftp://reports.example/', address],
  ['http://%zz@reports.example/', user],
  ['http://user:%ff@reports.example/', user],
])('%s → %s, for delivery and for seen reports', (url, flaw) => {
  expect(webhookUrlFlaw(url)).toBe(flaw);
  const messages = [
    {
      sender: 's',
      destinations: [{ to: 'd' }],
      content: { type: 'TEXT', text: 'x' },
      webhooks: { delivery: { url }, seen: { url } },
    },
  ];
  const told = (parseSendRequest({ messages }, 0).violations ?? []).map(one => `${one.property} ${one.violation}`);
  const at = (name: string) => `messages[0].webhooks.${name}.url ${flaw}`;
  expect(told).toEqual(flaw === undefined ? [] : [at('delivery'), at('seen')]);
});

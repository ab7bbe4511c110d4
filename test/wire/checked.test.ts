import fc from 'fast-check';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import type { Violation } from '../../src/domain/message.ts';
import { checked, soundCheckOf } from '../../src/wire/checked.ts';
import { violationsToldMax } from '../../src/wire/parsed.ts';
import { requestedMessageSchema } from '../../src/wire/send/send-schemas.ts';
import { oddlyChanged } from '../support/odd-json.ts';

test('many fields that there are not → as many are looked at for a near name as are told', () => {
  let looks = 0;
  const schema = Type.Object({ sender: Type.Optional(Type.String()) });
  schema.properties = new Proxy(schema.properties, {
    ownKeys: target => {
      looks++;
      return Reflect.ownKeys(target);
    },
  });
  const violations: Violation[] = [];
  const sent = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`sendre${i}`, 0]));
  checked(schema, sent, '', violations);
  expect(violations).toHaveLength(violationsToldMax);
  expect(looks).toBeLessThanOrEqual(2 * violationsToldMax);
});

/** A message with a bit of everything. */
const whole = {
  sender: '1',
  destinations: [{ to: 'a', messageId: 'm' }, { to: '' }],
  content: {
    type: 'COMMENT',
    content: {
      type: 'TEMPLATE',
      payload: { type: 'BUTTON', text: '😀', buttons: [{ type: 'CALL', title: 'x'.repeat(20), payload: '+1' }] },
    },
  },
  options: {
    platform: { entityId: 'e' },
    validityPeriod: { amount: 1 },
    deliveryTimeWindow: { days: ['MONDAY'], from: { hour: 1, minute: 2 }, to: { hour: 3, minute: 4 } },
    smsFailover: { text: 't', regional: { southKorea: { title: 'k' } } },
  },
  webhooks: { delivery: { url: 'https://e.com/', notify: true }, callbackData: 'c' },
  quickReplies: [{ type: 'TEXT', title: 't', payload: 'p' }, { type: 'EMAIL' }],
};

test('what is sound at one look → is what is looked at field by field finds nothing wrong with, and nothing to leave out', () => {
  const isSound = soundCheckOf(requestedMessageSchema);
  const looked = { sound: 0, other: 0 };
  fc.assert(
    fc.property(oddlyChanged(whole, ['to', 'url', 'title', 'TEXT']), value => {
      const violations: Violation[] = [];
      const given = checked(requestedMessageSchema, value, '', violations);
      const isAsItIs = violations.length === 0 && JSON.stringify(given) === JSON.stringify(value);
      looked[isAsItIs ? 'sound' : 'other']++;
      expect(isSound.Check(value)).toBe(isAsItIs);
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(looked.sound, looked.other)).toBeGreaterThan(0);
});

test('a type that no text can be made of → refused in words', () => {
  for (const type of [{ toString: [] }, 'toString', ['TEXT'], 5]) {
    const violations: Violation[] = [];
    checked(requestedMessageSchema, { ...whole, content: { type, text: 'x' } }, '', violations);
    expect(violations.map(one => one.property)).toEqual(['content.type']);
  }
});

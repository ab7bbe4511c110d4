import fc from 'fast-check';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import type { Violation } from '../../src/domain/message.ts';
import { checked, soundCheckOf } from '../../src/wire/checked.ts';
import { violationsToldMax } from '../../src/wire/parsed.ts';
import { requestedMessageSchema } from '../../src/wire/send/send-schemas.ts';

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

/** A message with a bit of everything, which JSON can have replaced anywhere. */
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

/** Where values stand in another, each by the names that lead there. */
function placesIn(value: unknown): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner).map(rest => [name, ...rest]))];
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown {
  if (name === undefined) return by;
  if (Array.isArray(value)) return value.map((one, index) => (String(index) === name ? replaced(one, rest, by) : one));
  return { ...Object(value), [name]: replaced(Reflect.get(Object(value), name), rest, by) };
}

test('what is sound at one look → is what is looked at field by field finds nothing wrong with, and nothing to leave out', () => {
  const isSound = soundCheckOf(requestedMessageSchema);
  const place = fc.constantFrom(...placesIn(whole));
  const name = fc.constantFrom('further', 'to', 'url', 'title', '__proto__', 'constructor', 'toString', '0');
  const other = fc.oneof(
    fc.constantFrom<unknown>(null, '', 0, 1, true, [], {}, 'TEXT', 'MONDAY', '\ud800', 'x'.repeat(21), '😀'.repeat(20)),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const change = fc.tuple(place, fc.option(name, { nil: undefined }), other);
  const looked = { sound: 0, other: 0 };
  fc.assert(
    fc.property(fc.array(change, { maxLength: 2 }), changes => {
      let message: unknown = whole;
      for (const [at, further, by] of changes)
        message = replaced(message, further === undefined ? at : [...at, further], by);
      // As it comes: `__proto__` is a field like any other.
      const value: unknown = JSON.parse(JSON.stringify(message));
      const violations: Violation[] = [];
      const given = checked(requestedMessageSchema, value, '', violations);
      const isAsItIs = violations.length === 0 && JSON.stringify(given) === JSON.stringify(value);
      looked[isAsItIs ? 'sound' : 'other']++;
      expect(isSound.Check(value)).toBe(isAsItIs);
    }),
  );
  expect(Math.min(looked.sound, looked.other)).toBeGreaterThan(0);
});

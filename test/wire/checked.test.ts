import { Type } from 'typebox';
import { expect, test } from 'vitest';
import type { Violation } from '../../src/domain/message.ts';
import { checked } from '../../src/wire/checked.ts';
import { violationsToldMax } from '../../src/wire/parsed.ts';

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

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { mirroredRecord } from '../../src/mirror/records.ts';

const sentAt = Date.parse('2026-03-01T12:00:00Z');
const whole = simulatedMessage({ messageId: 'm', sentAt, pace: 0.01 }, new Random('a message of the other side'));
const shown: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(shownAt(whole, sentAt + 3_600_000)));
const read = (log: object) => mirroredRecord(JSON.stringify(log));

describe('what the vendor adds or changes', () => {
  test('a message as it is → taken, without a flaw', () => {
    expect(read(shown)).toMatchObject({ messageId: 'm', sentAt, flaws: [], submission: { messageId: 'm', sentAt } });
  });

  test('further fields, anywhere, of any value → kept, and the rest is taken as it would be without them', () => {
    const expected = read(shown).submission;
    const name = fc.stringMatching(/^new[A-Z][a-z]{1,8}$/);
    const at = fc.constantFrom(undefined, 'status', 'error', 'platform', 'price');
    fc.assert(
      fc.property(name, fc.jsonValue(), at, (added, value, inside) => {
        const outer = inside === undefined ? undefined : shown[inside];
        fc.pre(inside === undefined || (typeof outer === 'object' && outer !== null));
        const log =
          inside === undefined
            ? { ...shown, [added]: value }
            : { ...shown, [inside]: Object.assign({}, outer, { [added]: value }) };
        const { submission, flaws } = read(log);
        expect(flaws).toEqual([]);
        const { extraJson, status, error, ...rest } = submission ?? {};
        const { furtherJson: ofStatus, ...plainStatus } = status ?? {};
        const { furtherJson: ofError, ...plainError } = error ?? {};
        expect({ ...rest, status: plainStatus, error: plainError }).toEqual(expected);
        const field = `{"${added}":${JSON.stringify(value)}}`;
        const ofPart = inside === undefined ? field : `{"${inside}":${field}}`;
        const kept = inside === 'status' ? ofStatus : inside === 'error' ? ofError : extraJson;
        expect(kept).toBe(inside === 'status' || inside === 'error' ? field : ofPart);
      }),
    );
  });

  test('a field that cannot be taken → the others are; only what makes a message is needed', () => {
    for (const name of Object.keys(shown)) {
      const { submission, flaws } = read({ ...shown, [name]: [] });
      expect(flaws, name).not.toEqual([]);
      expect(submission === undefined, name).toBe(
        ['messageId', 'sender', 'destination', 'sentAt', 'content'].includes(name),
      );
    }
  });

  test('any JSON → a message or the reason why not, never an error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const { submission, flaws } = mirroredRecord(JSON.stringify(value));
        expect(submission === undefined ? flaws.length : 1).toBeGreaterThan(0);
      }),
    );
  });
});

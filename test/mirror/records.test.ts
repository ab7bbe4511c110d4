import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { mirroredRecord } from '../../src/mirror/records.ts';
import { logJson } from '../../src/wire/text/log-text.ts';
import { MemoryStore } from '../support/memory-store.ts';

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

  test('codes of any group, or of none → shown as they came', async () => {
    const text = fc.stringMatching(/^[A-Z][A-Z_]{0,15}[A-Z]$/).map(word => `NEW_${word}`);
    const code = fc
      .record(
        {
          groupId: fc.integer({ min: 6, max: 999_999 }),
          groupName: text,
          id: fc.integer({ min: 1_000_000 }),
          name: text,
        },
        { requiredKeys: [] },
      )
      .filter(one => Object.keys(one).length > 0);
    await fc.assert(
      fc.asyncProperty(code, code, async (status, error) => {
        const { submission, flaws } = read({ ...shown, status, error });
        expect(flaws).toEqual([]);
        if (submission === undefined) throw new Error('nothing was taken');
        const store = new MemoryStore();
        await store.record({
          account: 1,
          binding: {},
          receivedAt: sentAt + 7_200_000,
          sentSince: 0,
          submissions: [submission],
        });
        const [log] = (await store.find({ account: 1, filter: {}, sentSince: 0, limit: 1, walk: false })).logs;
        if (log === undefined) throw new Error('nothing was kept');
        expect(JSON.parse(logJson(log))).toMatchObject({ ...shown, status, error });
        expect(new Set(Object.keys(JSON.parse(logJson(log)).status))).toEqual(new Set(Object.keys(status)));
        expect(log.status.final).toBe(false);
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

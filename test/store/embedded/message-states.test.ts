import fc from 'fast-check';
import { expect, test } from 'vitest';
import { statusGroupNames } from '../../../src/domain/registry.ts';
import {
  applyReport,
  groupOf,
  newestReportOf,
  newSharedSegment,
  type SharedSegment,
  setState,
} from '../../../src/store/embedded/segment/shared-segment.ts';

const messages = 8;
const firstSequence = 1_000_000_007;
/** Right behind the segment's beginning, as far as four bytes reach and beyond, and of an earlier segment. */
const sequence = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 3 }).map(more => firstSequence + more),
  fc.integer({ min: -3, max: 3 }).map(more => firstSequence + 2 ** 32 + more),
  fc.integer({ min: 1, max: firstSequence - 1 }),
  fc.integer({ min: firstSequence, max: Number.MAX_SAFE_INTEGER }),
);
const report = fc.record({
  ordinal: fc.integer({ min: 0, max: messages - 1 }),
  sequence,
  group: fc.integer({ min: 1, max: statusGroupNames.length - 1 }),
});

function statesOf(shared: SharedSegment): unknown[] {
  return Array.from({ length: messages }, (_, ordinal) => [newestReportOf(shared, ordinal), groupOf(shared, ordinal)]);
}

test('reports of whatever sequence, in whatever order → each message has its newest, to the unit, and its group', () => {
  fc.assert(
    fc.property(fc.array(report, { maxLength: 40 }), reports => {
      const shared = newSharedSegment(1, firstSequence, messages);
      for (let ordinal = 0; ordinal < messages; ordinal++) setState(shared, ordinal, 0, 1);
      const expected = Array.from({ length: messages }, () => [0, 1]);
      for (const { ordinal, sequence: newest, group } of reports) {
        applyReport(shared, ordinal, newest, group);
        expected[ordinal] = [newest, group];
        expect(statesOf(shared)).toEqual(expected);
      }
    }),
  );
});

test('reports on every message of a segment → five bytes of each are written', () => {
  const shared = newSharedSegment(1, firstSequence, messages);
  for (let ordinal = 0; ordinal < messages; ordinal++) applyReport(shared, ordinal, firstSequence + ordinal, 3);
  const { newestReport, groupCode, farReport } = shared;
  expect(newestReport.byteLength + groupCode.byteLength).toBe(5 * messages);
  expect([...newestReport, ...groupCode].every(value => value !== 0)).toBe(true);
  expect(farReport.every(value => value === 0)).toBe(true);
  // Of other memory the C library writes zeros into what it has at hand.
  for (const { buffer } of [newestReport, groupCode, farReport])
    expect(buffer instanceof SharedArrayBuffer && buffer.growable).toBe(true);
});

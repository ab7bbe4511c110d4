import { expect, test } from 'vitest';
import { passOverLost } from '../../../src/store/embedded/segment/lost-reports.ts';
import {
  newSharedSegment,
  publishedMessages,
  publishedReports,
} from '../../../src/store/embedded/segment/shared-segment.ts';

test('as many newest reports are lost as a segment holds → each message is as it was recorded', () => {
  const count = 600_000;
  const shared = newSharedSegment(1, 1, count);
  shared.published[publishedMessages] = count;
  shared.published[publishedReports] = count;
  for (let ordinal = 0; ordinal < count; ordinal++) shared.newestReport[ordinal] = ordinal + 1;
  const left = { messages: new Float64Array(count), groups: new Uint8Array(count) };
  passOverLost([shared], shared, left, { outcomes: () => left, initialGroup: () => 1 });
  expect(shared.newestReport.every(sequence => sequence === 0)).toBe(true);
});

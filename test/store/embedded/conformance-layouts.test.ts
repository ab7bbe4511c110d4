import type { Merging } from '../../../src/store/embedded/threads/messages.ts';
import { conformance, keepingGroups, partly, readingGroups } from '../conformance.ts';
import { openSqliteEngine } from './opened-engine.ts';

/** Each that is closed for good is merged, in the smallest of blocks. */
const eagerly: Merging = { youngestLeft: 0, blockRows: 64 };

conformance('the embedded engine in one segment', () => openSqliteEngine(100_000, 1), {
  groups: partly(readingGroups),
  segmentSizes: [1000],
});
conformance(
  'the embedded engine in volumes',
  ({ segmentMessagesMax = 50 }) => openSqliteEngine(segmentMessagesMax, 1, { merging: eagerly }),
  { groups: partly(keepingGroups) },
);

import type { Parts } from '../../../domain/breakdown.ts';
import { bucketOf } from '../../../domain/summary.ts';
import { SummaryCell } from '../../../domain/summary-cell.ts';
import { identityIn, stateIn } from '../rows/log-row.ts';
import { type BlockSource, type ReadSealing, sealedMessages } from '../sealed/sealed-blocks.ts';
import type { CountedPart, Counting } from './count-query.ts';

/** Sealed messages that are counted before it is looked whether there is time for more. */
const messagesAtATime = 1_000;

/** As `countStatement` and `breakdownStatement` count the others. `goOn` throws when there is no more time. */
export async function countSealed(
  source: BlockSource,
  sealing: ReadSealing,
  { account, filter, range, from, to }: Counting,
  parts: Parts | undefined,
  goOn: () => void,
): Promise<CountedPart> {
  const buckets = new Map<number, SummaryCell>();
  const total = new SummaryCell();
  const wanted = { slice: account, filter, since: from, until: to };
  let count = 0;
  for await (const { row } of sealedMessages(source, sealing, wanted)) {
    if (count++ % messagesAtATime === 0) goOn();
    const log = { ...identityIn(row), ...stateIn(row) };
    total.count(log, 1);
    parts?.count(log);
    const bucket = bucketOf(range, log.sentAt);
    const cell = buckets.get(bucket) ?? new SummaryCell();
    cell.group(log.status.groupId, 1);
    buckets.set(bucket, cell);
  }
  return { buckets, total };
}

import type { Parts } from '../../../domain/breakdown.ts';
import { withoutText } from '../../../domain/filter.ts';
import { Slices } from '../../../slices.ts';
import { logIn } from '../rows/log-row.ts';
import { type BlockSource, type ReadSealing, sealedMessages } from '../sealed/sealed-blocks.ts';
import type { CountedPart, Counting } from './count-query.ts';
import { CountedLogs } from './counted-logs.ts';

/** Sealed messages that are counted before it is looked whether there is time for more. */
const messagesAtATime = 1_000;

/** As `countStatement` and `breakdownStatement` count the others. `goOn` throws when there is no more time. */
export async function countSealed(
  source: BlockSource,
  sealing: ReadSealing,
  counting: Counting,
  parts: Parts | undefined,
  goOn: () => void,
): Promise<CountedPart> {
  const { account, filter, from, to } = counting;
  const counted = new CountedLogs(counting, parts);
  const wanted = { slice: account, filter: withoutText(filter), since: from, until: to };
  const slices = new Slices();
  let count = 0;
  for await (const { row } of sealedMessages(source, sealing, wanted)) {
    if (count++ % messagesAtATime === 0) goOn();
    const pause = slices.pause();
    if (pause !== undefined) await pause;
    counted.count(logIn(row));
  }
  return counted;
}

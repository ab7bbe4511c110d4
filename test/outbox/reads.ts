import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Outbox, Receipt } from '../../src/outbox/outbox.ts';
import { runs } from '../support/properties.ts';
import { message, page, record, start, tellAll, want } from './support.ts';

/** What several reads of a conversation tell of its messages: a part of the contract of `Outbox`. */
export function readsInAnyOrder(open: () => Promise<Outbox>): void {
  it('several reads in any order, each once or twice, alone or together → seen when the first was that covers it', async () => {
    const outbox = await open();
    let next = 0;
    const names = ['m1', 'm2', 'm3'];
    const moments = [20, 120, 220];
    const read = fc.record({ watermark: fc.integer({ min: 0, max: 300 }), at: fc.integer({ min: 300, max: 330 }) });
    const heard = fc
      .array(read, { minLength: 1, maxLength: 4 })
      .chain(reads => fc.shuffledSubarray([...reads, ...reads], { minLength: reads.length }))
      .chain(reads => fc.tuple(fc.constant(reads), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 })));
    await fc.assert(
      fc.asyncProperty(heard, async ([reads, cuts]) => {
        const account = ++next;
        await outbox.dropAccount(account - 1);
        const messages = names.map(name => message(name, { destination: 'p1' }));
        await outbox.add({ account, messages, now: start });
        const receive = (receipts: readonly Receipt[]) => outbox.receive(receipts, start + 5000);
        const common = { accounts: [account], page, psid: 'p1' };
        for (const [index, name] of names.entries()) {
          const [claimed] = await outbox.claim([{ ...want, account }], start);
          await outbox.settle([{ id: claimed?.id ?? 0, kind: 'sent', mid: name, psid: 'p1' }], start + 1000);
          const at = start + (moments[index] ?? 0);
          await receive([{ ...common, kind: 'echo', mid: name, metadata: name, at }]);
        }
        let batch: Receipt[] = [];
        for (const [index, { watermark, at }] of reads.entries()) {
          batch.push({ ...common, kind: 'read', watermark: start + watermark, at: start + at });
          if (cuts[index] !== true) continue;
          await receive(batch);
          batch = [];
        }
        await receive(batch);
        const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
        const seen = names.map(name => record(told.get(name) ?? []).seenAt);
        const first = moments.map(moment => {
          const covering = reads.filter(one => one.watermark >= moment).map(one => start + one.at);
          return covering.length === 0 ? undefined : Math.min(...covering);
        });
        expect(seen).toEqual(first);
      }),
      { numRuns: runs(40) },
    );
  });
}

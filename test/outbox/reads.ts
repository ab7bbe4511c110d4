import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Outbox, Receipt } from '../../src/outbox/outbox.ts';
import { runs } from '../support/properties.ts';
import { message, page, record, start, tellAll, want } from './support.ts';

const names = ['m1', 'm2', 'm3'];
const moments = [20, 120, 220];

type Read = { readonly watermark: number; readonly at: number };

/**
 * When a message was seen, as far as it can be known: by the first read that covers it; of the reads before it was proven to
 * be sent, by the last, or before the next message was.
 */
class Seen {
  readonly #seen = new Map<number, number>();
  #mark: Read = { watermark: -1, at: 0 };

  read(one: Read): void {
    for (const [moment, at] of this.#seen) if (moment <= one.watermark) this.#seen.set(moment, Math.min(at, one.at));
    const { watermark, at } = this.#mark;
    if (one.watermark > watermark || (one.watermark === watermark && one.at < at)) this.#mark = one;
  }

  prove(moment: number): void {
    const { watermark, at } = this.#mark;
    const later = [...this.#seen].filter(([other]) => other > moment).map(([, seenAt]) => seenAt);
    this.#seen.set(moment, watermark < moment ? Number.POSITIVE_INFINITY : Math.min(at, ...later));
  }

  of(moment: number): number | undefined {
    const at = this.#seen.get(moment);
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }
}

/** The first message is known to be sent when the second was seen by an earlier read than the last. */
const firstIsLate = {
  reads: [
    { watermark: 150, at: 310 },
    { watermark: 300, at: 330 },
  ],
  cuts: [true, true],
  proofs: [2, 0, 0],
  sentIn: moments,
  isLastAnswered: true,
};

/** What several reads and deliveries of a conversation tell of its messages: a part of the contract of `Outbox`. */
export function marksInAnyOrder(open: () => Promise<Outbox>): void {
  it('reads in any order, each once or twice, alone or together, proofs among them → seen when the first was that covers it', async () => {
    const outbox = await open();
    let next = 0;
    const read = fc.record({ watermark: fc.integer({ min: 0, max: 300 }), at: fc.integer({ min: 300, max: 330 }) });
    const heard = fc
      .array(read, { minLength: 1, maxLength: 4 })
      .chain(reads => fc.shuffledSubarray([...reads, ...reads], { minLength: reads.length }))
      .chain(reads =>
        fc.record({
          reads: fc.constant(reads),
          cuts: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
          // Behind how many reads each echo comes.
          proofs: fc.tuple(...names.map(() => fc.oneof(fc.constant(0), fc.nat({ max: reads.length })))),
          sentIn: fc.shuffledSubarray(moments, { minLength: names.length }),
          isLastAnswered: fc.boolean(),
        }),
      );
    await fc.assert(
      fc.asyncProperty(heard, async ({ reads, cuts, proofs, sentIn, isLastAnswered }) => {
        const account = ++next;
        await outbox.dropAccount(account - 1);
        const messages = names.map(name => message(name, { destination: 'p1' }));
        await outbox.add({ account, messages, now: start });
        for (const [index, name] of names.entries()) {
          const [claimed] = await outbox.claim([{ ...want, account }], start);
          const id = claimed?.id ?? 0;
          // By its answer a message is sent later than all that is read.
          const isAnswered = isLastAnswered || index < names.length - 1;
          await outbox.settle(
            [isAnswered ? { id, kind: 'sent', mid: name, psid: 'p1' } : { id, kind: 'unknown' }],
            start + 1000,
          );
        }
        const common = { accounts: [account], page, psid: 'p1' };
        const known = new Seen();
        let batch: Receipt[] = [];
        const flush = async () => {
          await outbox.receive(batch, start + 5000);
          batch = [];
        };
        const prove = async (after: number) => {
          for (const [index, name] of names.entries()) {
            if (proofs[index] !== after) continue;
            const moment = sentIn[index] ?? 0;
            await flush();
            batch.push({ ...common, kind: 'echo', mid: name, metadata: name, at: start + moment });
            await flush();
            known.prove(moment);
          }
        };
        await prove(0);
        for (const [index, one] of reads.entries()) {
          batch.push({ ...common, kind: 'read', watermark: start + one.watermark, at: start + one.at });
          known.read(one);
          if (cuts[index] === true) await flush();
          await prove(index + 1);
        }
        await flush();
        const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
        const seen = names.map(name => record(told.get(name) ?? []).seenAt);
        expect(seen.map(at => at && at - start)).toEqual(sentIn.map(moment => known.of(moment)));
      }),
      { numRuns: runs(40), examples: [[firstIsLate]] },
    );
  });

  it('two deliveries up to one moment, heard in either order → the earlier counts for what is proven later', async () => {
    const outbox = await open();
    for (const [index, ats] of [
      [300, 200],
      [200, 300],
    ].entries()) {
      const id = `m${index}`;
      const common = { accounts: [want.account], page, psid: id };
      await outbox.add({ account: want.account, messages: [message(id, { destination: id })], now: start });
      const [claimed] = await outbox.claim([want], start);
      await outbox.settle([{ id: claimed?.id ?? 0, kind: 'unknown' }], start);
      for (const at of ats)
        await outbox.receive(
          [{ ...common, kind: 'delivered', mids: [], watermark: start + 100, at: start + at }],
          start + 400,
        );
      await outbox.receive([{ ...common, kind: 'echo', mid: id, metadata: id, at: start + 50 }], start + 400);
      const told = (await tellAll(outbox)).filter(one => one.messageId === id);
      expect(record(told)).toMatchObject({ status: 'DELIVERED_TO_HANDSET', doneAt: start + 200 });
    }
  });
}

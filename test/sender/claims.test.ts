import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import type { GraphAnswer } from '../../src/graph/outcomes.ts';
import { limits } from '../../src/limits.ts';
import type { Carrier } from '../../src/sender/carrier.ts';
import { Played, text } from './played.ts';

const response = (mid: string): GraphAnswer => ({
  kind: 'response',
  httpStatus: 200,
  text: JSON.stringify({ message_id: mid }),
  headers: {},
});

it('any answers of the outbox lost after it did what it was asked → each message is sent once for each try, and all are', async () => {
  const losses = fc.array(fc.boolean(), { maxLength: 11 }).map(others => [true, ...others]);
  await fc.assert(
    fc.asyncProperty(losses, async lost => {
      const tries = new Map<string, number>();
      const carrier = (): Carrier => ({
        outlivesProcess: true,
        send: async (_account, _page, body): Promise<GraphAnswer> => {
          const id = String(body.message?.metadata);
          const count = (tries.get(id) ?? 0) + 1;
          tries.set(id, count);
          return count === 1 ? { kind: 'unreachable', reason: 'nobody there' } : response(id);
        },
      });
      const played = await Played.open({}, { carrier });
      const { outbox } = played;
      let [asked, lostAnswers, wasLost] = [0, 0, false];
      const losing = <T>(value: T): T => {
        wasLost = !wasLost && lost[asked++ % lost.length] === true;
        if (!wasLost) return value;
        lostAnswers++;
        throw new Unavailable('the answer was lost');
      };
      const [claim, settle] = [outbox.claim.bind(outbox), outbox.settle.bind(outbox)];
      outbox.claim = async (wants, now) => losing(await claim(wants, now));
      outbox.settle = async (results, now) => losing(await settle(results, now));
      const ids = Array.from({ length: 8 }, (_, index) => `m${index}`);
      await played.send(...ids.map((id, index) => text(`person ${index % 6}`, id)));
      const isOpen = async () => {
        const { queued, sending } = await outbox.stats();
        return queued + sending > 0;
      };
      while (await isOpen()) await played.pass(2000);
      expect(await outbox.stats()).toMatchObject({ unknown: 0 });
      expect(lostAnswers).toBeGreaterThan(0);
      expect([...tries].sort()).toEqual(ids.map(id => [id, 2] as const).sort());
    }),
    { numRuns: 2 },
  );
});

it('thousands in line and a Meta that does not answer → no more of them in memory than may be under way', async () => {
  const held: (() => void)[] = [];
  const carrier = (): Carrier => ({
    outlivesProcess: true,
    send: (_account, _page, body) =>
      new Promise<GraphAnswer>(resolve => held.push(() => resolve(response(String(body.message?.metadata))))),
  });
  const played = await Played.open({}, { carrier });
  const { outbox } = played;
  const [most, counts] = [
    { claimed: 0, untold: 0 },
    { claimed: 0, settled: 0 },
  ];
  const [claim, settle, untold] = [outbox.claim.bind(outbox), outbox.settle.bind(outbox), outbox.untold.bind(outbox)];
  outbox.claim = async (wants, now) => {
    const claimed = await claim(wants, now);
    counts.claimed += claimed.length;
    most.claimed = Math.max(most.claimed, counts.claimed - counts.settled);
    return claimed;
  };
  outbox.settle = async (results, now) => {
    await settle(results, now);
    counts.settled += results.length;
  };
  outbox.untold = async limit => {
    const found = await untold(limit);
    most.untold = Math.max(most.untold, found.length);
    return found;
  };
  const count = 3000;
  for (let from = 0; from < count; from += 1000)
    await played.send(
      ...Array.from({ length: 1000 }, (_, index) => text(`p${from + index}`, `m${from + index}`, `page-${index % 20}`)),
    );
  await expect.poll(() => held.length, { interval: 5 }).toBe(limits.sendingMax);
  while (counts.settled < count) {
    for (const answer of held.splice(0)) answer();
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  expect(most.claimed).toBeLessThanOrEqual(limits.unsettledMax);
  expect(most.untold).toBeLessThanOrEqual(limits.batchRecordsMax);
});

import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import { message, now } from '../conformance/engine.ts';

/**
 * A process that records without end, told the database and a prefix for its message ids: five batches at a time, and
 * a report on everything recorded. Writes a line for each batch that was answered.
 */
const [url = '', prefix = ''] = process.argv.slice(2);
const store = await openPostgresStore({
  url,
  poolSize: 6,
  observer: { committed() {}, damaged() {}, note() {} },
});

async function recordWithoutEnd(lane: number): Promise<never> {
  for (let i = 0; ; i++) {
    const ids = Array.from({ length: 40 }, (_, j) => `${prefix} ${lane} ${i} ${j}`);
    const terms = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };
    const submissions = ids.map((id, j) => message(id, { sentAt: now - ((i * 7 + j) % 50) * 100_000 }));
    const { recorded } = await store.record({ ...terms, submissions });
    await store.record({ ...terms, submissions: ids.map(messageId => ({ messageId, seenAt: now })) });
    if (recorded === ids.length) process.stdout.write(`${lane} ${i}\n`);
  }
}

await Promise.all([0, 1, 2, 3, 4].map(recordWithoutEnd));

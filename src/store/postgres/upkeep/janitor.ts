import { truth } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Horizons } from '../../horizons.ts';
import { forgetLayouts, type Layouts } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import type { Generations } from '../log/generations.ts';
import type { Partitions } from '../log/partitions.ts';
import { Past } from '../log/past.ts';
import type { Sums } from '../summary/sums.ts';
import { hourMs, type Totals } from '../summary/totals.ts';

/** Dropping a partition waits for the transactions that read it. */
const dropMsMax = 30_000;

/** Where there is what is dropped. */
export type Places = {
  readonly database: Database;
  readonly layouts: Layouts;
  readonly partitions: Partitions;
  readonly generations: Generations;
  readonly sums: Sums;
  readonly totals: Totals;
};

/**
 * Drops what is past. One process at a time does, and nobody waits for it: it does the others' work. The lock is held
 * until the connection ends, with its process or its machine, since none of this fits a transaction.
 */
export function dropPast(
  { database, layouts, partitions, generations, sums, totals }: Places,
  horizons: Horizons,
): Promise<void> {
  return database.apart(dropMsMax, async session => {
    const [[mine] = []] = await session.query(`SELECT pg_try_advisory_lock(${lockKey('dropping')})`);
    if (!truth(mine)) return;
    const placement = await layouts.refresh();
    const past = await Past.of(horizons, account => placement.slicesOf(account));
    await partitions.dropBefore(session, past.horizons.earliest);
    await totals.advance(session, await sums.addUpAll());
    await sums.forgetPast(past);
    if (horizons.accounts.length > 0)
      await partitions.dropUnkept(session, past, await totals.hoursBefore(past.horizons.latest), hourMs);
    await generations.dropEmpty(session);
    await forgetLayouts(session, await Past.of(horizons, account => [account]));
  });
}

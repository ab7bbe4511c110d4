import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { texts } from '../../../postgres/arrays.ts';
import { text, truth } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { Database } from '../log/database.ts';
import { placesOfIds } from '../log/folded-keys.ts';
import { columnMs } from '../rows/column-ms.ts';
import { identityIn, placeIn } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';
import { coversPlace, type Sealed } from '../sealed/sealed-block.ts';
import { sealedAt } from '../sealed/sealed-blocks.ts';
import type { Placement } from './layouts.ts';

/** Where a message was found that is not where it would be now. */
export type Found = { readonly slice: Slice; readonly sentAt: EpochMs };

/**
 * Which of these ids have a message that is not past where an older layout put it, and not where they would be now: by
 * id. The older layouts must be over, so that no such message can come any more.
 */
export async function foundInOlderSlices(
  database: Pick<Database, 'query' | 'damage'>,
  placement: Placement,
  account: AccountId,
  { ids, sentSince }: { readonly ids: Iterable<string>; readonly sentSince: EpochMs },
): Promise<ReadonlyMap<string, Found>> {
  const asked = new Map<Slice, Set<string>>();
  for (const id of ids)
    for (const slice of placement.olderSlicesFor(account, id))
      asked.set(slice, (asked.get(slice) ?? new Set()).add(id));
  const found = await Promise.all(
    Array.from(asked, async ([slice, own]) => {
      const values = [slice, texts([...own]), columnMs(sentSince)];
      const rows = await database.query(messagesThere(placement.sealing !== undefined), values);
      const found = rows.map(row => ({ id: text(row[0]), place: placeIn(row.slice(1)), isRow: truth(row[3]) }));
      const inBlocks = found.filter(({ isRow }) => !isRow).map(({ place }) => place);
      const source = { read: database.query.bind(database) };
      const sealed =
        inBlocks.length === 0 ? new Map<number, Sealed>() : await sealedAt(source, slice, inBlocks, database.damage);
      const isThere = ({ id, place, isRow }: (typeof found)[number]) => {
        const row = sealed.get(place.number)?.row;
        return isRow || (row !== undefined && identityIn(row).messageId === id);
      };
      return found.filter(isThere).map(({ id, place: { sentAt } }) => [id, { slice, sentAt }] as const);
    }),
  );
  return new Map(found.flat());
}

/** In a block another message may stand at the place of a folded key: whoever reads it looks. */
const messagesThere = (keysMayBeFolded: boolean): Statement => ({
  name: keysMayBeFolded ? 'messages there by all keys' : 'messages there',
  text: `
    SELECT t.* FROM (
      SELECT k.message_id, k.sent_at, k.number, EXISTS (
        SELECT FROM message m
        WHERE m.account_id = $1 AND m.sent_at = k.sent_at AND m.number = k.number AND m.sent_at >= $3
          AND m.message_id = k.message_id OFFSET 0
      ) AS is_row
      FROM (${placesOfIds('$1', '$2::text[]', keysMayBeFolded)}) k WHERE k.sent_at >= $3
    ) t
    WHERE t.is_row OR EXISTS (
      SELECT FROM block b WHERE ${coversPlace('t')} AND b.account_id = $1 AND b.sent_at >= $3 OFFSET 0
    )`,
});

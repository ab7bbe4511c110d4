/** Keys of one row: enough that the row is compressed, and that looking into it costs little. */
export const foldedKeysMax = 128;

/** The hash by which a folded key is known, of a message id. */
export const foldedHash = (messageId: string) => `hashtext(${messageId} COLLATE "C")`;

/**
 * Where messages of some ids may be by folded keys: rows of `message_id`, `sent_at`, `number` and `generation`. Seldom another
 * message is there, whose id has the same hash: whoever reads it looks. The row of an id is the first that ends at it or behind it.
 */
export const foldedKeys = (account: string, ids: string) => `
    SELECT u.message_id, f.sent_ats[p.i] AS sent_at, f.numbers[p.i] AS number, g.number AS generation
    FROM generation g CROSS JOIN unnest(${ids}) u (message_id)
    CROSS JOIN LATERAL (
      SELECT f.hashes, f.sent_ats, f.numbers, ${foldedHash('u.message_id')} AS hash FROM folded_key f
      WHERE f.generation = g.number AND f.account_id = ${account} AND f.last_id >= u.message_id
      ORDER BY f.last_id LIMIT 1
    ) f
    CROSS JOIN LATERAL unnest(array_positions(f.hashes, f.hash)) p (i)
    WHERE g.folded_at IS NOT NULL AND f.hashes[width_bucket(f.hash, f.hashes)] = f.hash`;

/** Each place once where messages of some ids are by their keys, or may be where keys `mayBeFolded`, with the id. */
export function placesOfIds(account: string, ids: string, mayBeFolded: boolean): string {
  const plain = `SELECT k.message_id, k.sent_at, k.number FROM message_key k
    WHERE k.account_id = ${account} AND k.message_id = ANY (${ids})`;
  if (!mayBeFolded) return plain;
  return `${plain} UNION SELECT f.message_id, f.sent_at, f.number FROM (${foldedKeys(account, ids)}) f`;
}

import { smallints } from '../../../postgres/arrays.ts';
import type { Statement } from '../../../postgres/session.ts';
import { identityIn, type Place, stateIn } from '../rows/log-row.ts';
import { isBehind, type Sealed } from '../sealed/sealed-block.ts';
import { sealedAt } from '../sealed/sealed-blocks.ts';
import { insertAgain, type Reading, type Recording } from './record-statements.ts';

/**
 * Of some places, the messages that are sealed there, by their numbers. No message is sealed while a recording of its
 * account is at work, and nobody takes out one whose key is locked.
 */
export async function sealedThere(
  { session, account, damage }: Reading,
  places: readonly Place[],
): Promise<ReadonlyMap<number, Sealed>> {
  const found = await sealedAt({ read: session.query.bind(session) }, account, places, damage);
  return new Map([...found].filter(([, { isTaken }]) => !isTaken));
}

/** One that waits for another of the same block goes on with what that left: asked of the partition itself, see `lockKeys`. */
const taken = (partition: string): Statement => ({
  name: `taken out of ${partition}`,
  isOneOfMany: true,
  text: `UPDATE ${partition} SET taken = taken || $4::smallint[] WHERE account_id = $1 AND sent_at = $2 AND number = $3`,
});

/**
 * Makes rows of sealed messages again, whose states are about to change; their keys must be locked. Blocks are changed in the
 * order of their places, so that two transactions never wait for each other.
 */
export function takeOut(recording: Recording, sealed: readonly Sealed[]): void {
  if (sealed.length === 0) return;
  const { session, account } = recording;
  insertAgain(
    recording,
    sealed.map(({ row, place, receivedAt, tx, stateTx }) => ({
      place,
      identity: identityIn(row),
      state: stateIn(row),
      receivedAt,
      tx,
      stateTx,
    })),
  );
  const blocks = Map.groupBy(sealed, ({ block: { newest } }) => `${newest.sentAt} ${newest.number}`);
  const inOrder = [...blocks.values()].sort(([a], [b]) =>
    a !== undefined && b !== undefined && isBehind(a.place, b.place) ? -1 : 1,
  );
  for (const own of inOrder) {
    const [first] = own;
    if (first === undefined) continue;
    const { newest, partition } = first.block;
    const ordinals = smallints(own.map(({ ordinal }) => ordinal));
    session.send(taken(partition), [account, newest.sentAt, newest.number, ordinals]);
  }
}

import { absentHash, messageIdField } from './fields.ts';
import type { Columns } from './shared-segment.ts';

/**
 * The messages of a segment without an index by the hashes of their ids: slots of shared memory, which the writer alone
 * changes, and readers look into meanwhile. A slot holds the place of a message, from 1 on, and the lower bits of its
 * hash; 0 is a free one. There are more than messages: nothing ever moves.
 */
const placeBits = 21;
const places = 2 ** placeBits;
const tagOf = (hash: number) => (hash & (2 ** (32 - placeBits) - 1)) * places;

/** Takes up a message whose hash stands in the columns; a lost one has none. */
export function addId(columns: Columns, ordinal: number): void {
  const { idSlots } = columns;
  const hash = columns.hashes[messageIdField]?.[ordinal] ?? absentHash;
  if (hash === absentHash) return;
  let at = home(hash, idSlots.length);
  while (idSlots[at] !== 0) at = at + 1 === idSlots.length ? 0 : at + 1;
  idSlots[at] = tagOf(hash) + ordinal + 1;
}

/** Takes back what was taken up last: before it, what was taken up later. No other has passed over its slot then. */
export function removeId(columns: Columns, ordinal: number): void {
  const { idSlots } = columns;
  const hash = columns.hashes[messageIdField]?.[ordinal] ?? absentHash;
  if (hash === absentHash) return;
  const sought = tagOf(hash) + ordinal + 1;
  for (let at = home(hash, idSlots.length); idSlots[at] !== 0; at = at + 1 === idSlots.length ? 0 : at + 1)
    if (idSlots[at] === sought) {
      idSlots[at] = 0;
      return;
    }
}

/** Calls `visit` for each message whose id has the hash, until it returns `true`. */
export function findId(columns: Columns, hash: number, visit: (ordinal: number) => boolean): boolean {
  const { idSlots } = columns;
  const hashes = columns.hashes[messageIdField];
  const tag = tagOf(hash);
  for (let at = home(hash, idSlots.length); ; at = at + 1 === idSlots.length ? 0 : at + 1) {
    const slot = idSlots[at] ?? 0;
    if (slot === 0) return false;
    const ordinal = (slot % places) - 1;
    if (slot - ordinal - 1 === tag && hashes?.[ordinal] === hash && visit(ordinal)) return true;
  }
}

function home(hash: number, slots: number): number {
  return Math.floor((hash / 2 ** 32) * slots);
}

/** What one slice has in an order, read piece by piece. */
export type Source<T> = (after: T | undefined) => Promise<Piece<T>>;

/** `more`: there may be more behind the last of them, of which there is one. */
export type Piece<T> = { readonly items: readonly T[]; readonly more: boolean };

/** A source, and what of it was read and not taken yet. */
type Head<T> = { readonly source: Source<T>; piece: Piece<T>; at: number };

/** Sources asked at once: a page of many slices must not take all connections from the pages of others. */
const askedAtOnceMax = 4;

/** The first `count` of what all sources have together, by an order that all of them are in. */
export async function firstOfAll<T>(
  sources: readonly Source<T>[],
  isBefore: (a: T, b: T) => boolean,
  count: number,
): Promise<readonly T[]> {
  const heads = sources.map((source): Head<T> => ({ source, piece: { items: [], more: true }, at: 0 }));
  const taken: T[] = [];
  while (taken.length < count) {
    await fillAll(heads.filter(({ piece, at }) => at === piece.items.length && piece.more));
    let first: Head<T> | undefined;
    for (const head of heads) {
      const [own, least] = [head.piece.items[head.at], first?.piece.items[first.at]];
      if (own !== undefined && (least === undefined || isBefore(own, least))) first = head;
    }
    const item = first?.piece.items[first.at++];
    if (item === undefined) break;
    taken.push(item);
  }
  return taken;
}

async function fillAll<T>(empty: Head<T>[]): Promise<void> {
  const fillNext = async () => {
    for (let head = empty.shift(); head !== undefined; head = empty.shift()) {
      head.piece = await head.source(head.piece.items.at(-1));
      head.at = 0;
    }
  };
  if (empty.length > 0) await Promise.all(Array.from({ length: askedAtOnceMax }, fillNext));
}

/**
 * How many to ask each of several slices for when so many are wanted of all: what falls to one is its share, give or
 * take what chance does to it, so that hardly any must be asked again.
 */
export function shareOf(count: number, slices: number): number {
  const share = count / slices;
  return Math.min(count, Math.ceil(share + 4 * Math.sqrt(share)) + 1);
}

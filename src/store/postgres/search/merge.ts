/** What one slice has in an order, read piece by piece. */
export type Source<T> = (after: T | undefined) => Promise<Piece<T>>;

/** `more`: there may be more behind the last of them, of which there is one. */
export type Piece<T> = { readonly items: readonly T[]; readonly more: boolean };

/** The first `count` of what all sources have together, by an order that all of them are in. */
export async function firstOfAll<T>(
  sources: readonly Source<T>[],
  isBefore: (a: T, b: T) => boolean,
  count: number,
): Promise<readonly T[]> {
  const heads = sources.map(source => new Head(source));
  const taken: T[] = [];
  while (taken.length < count) {
    const empty = heads.filter(head => head.isEmpty);
    if (empty.length > 0) await fillAll(empty);
    let first: Head<T> | undefined;
    for (const head of heads) if (head.precedes(first, isBefore)) first = head;
    const item = first?.take();
    if (item === undefined) break;
    taken.push(item);
  }
  return taken;
}

/** Sources asked at once: a page of many slices must not take all connections from the pages of others. */
const askedAtOnceMax = 4;

async function fillAll<T>(heads: readonly Head<T>[]): Promise<void> {
  const waiting = [...heads];
  const fillNext = async () => {
    for (let head = waiting.shift(); head !== undefined; head = waiting.shift()) await head.fill();
  };
  await Promise.all(Array.from({ length: askedAtOnceMax }, fillNext));
}

class Head<T> {
  readonly #source: Source<T>;
  #piece: Piece<T> = { items: [], more: true };
  #at = 0;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  /** Whether it must be filled before it is known what it has next. */
  get isEmpty(): boolean {
    return this.#at === this.#piece.items.length && this.#piece.more;
  }

  async fill(): Promise<void> {
    this.#piece = await this.#source(this.#piece.items.at(-1));
    this.#at = 0;
  }

  precedes(other: Head<T> | undefined, isBefore: (a: T, b: T) => boolean): boolean {
    const [own, theirs] = [this.next, other?.next];
    return own !== undefined && (theirs === undefined || isBefore(own, theirs));
  }

  take(): T | undefined {
    const item = this.next;
    this.#at++;
    return item;
  }

  get next(): T | undefined {
    return this.#piece.items[this.#at];
  }
}

/**
 * How many to ask each of several slices for when so many are wanted of all: what falls to one is its share, give or
 * take what chance does to it, so that hardly any must be asked again.
 */
export function shareOf(count: number, slices: number): number {
  const share = count / slices;
  return Math.min(count, Math.ceil(share + 4 * Math.sqrt(share)) + 1);
}

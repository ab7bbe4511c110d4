import type { Matches } from '../../domain/filter.ts';
import type { LogRecord } from '../../domain/message.ts';
import { Slices } from '../../slices.ts';
import type { Bookmark, Change } from '../../store/store.ts';
import { logJson } from '../../wire/text/log-text.ts';

/** Ids of one account's events. */
export type IdOf = (place: Bookmark) => string;

export function logEvent(id: string, log: LogRecord): string {
  return `event: log\nid: ${id}\ndata: ${logJson(log)}\n\n`;
}

/** Without data it is no event to the listener, who goes on from here after a lost connection all the same. */
export function placeText(id: string): string {
  return `id: ${id}\n\n`;
}

export function resetEvent(id: string): string {
  return `event: reset\nid: ${id}\ndata: {}\n\n`;
}

/** Keeps connections open that something on the way would close, and lets dead ones be noticed. */
export const comment = ':\n\n';

export type Chunk = { readonly bytes: Uint8Array; readonly events: number };

/** Changes on their way to many listeners: each is rendered once, and what several filters find alike is put together once. */
export class Batch {
  readonly #changes: readonly Change[];
  readonly #idOf: IdOf;
  readonly #texts: string[] = [];
  readonly #chunks = new Map<string, Chunk>();
  readonly #slices = new Slices();

  constructor(changes: readonly Change[], idOf: IdOf) {
    this.#changes = changes;
    this.#idOf = idOf;
  }

  /** The events that match, in their order; `undefined` when there are none. Words may take milliseconds to look for in each. */
  async matching(matches: Matches): Promise<Chunk | undefined> {
    // Pages ask for the same with an ever newer `sentSince`: it is what they find that is shared, not the filter.
    let found = '';
    for (const [index, { log }] of this.#changes.entries()) {
      const pause = this.#slices.pause();
      if (pause !== undefined) await pause;
      if (matches(log)) found += String.fromCharCode(index);
    }
    if (found === '') return undefined;
    const known = this.#chunks.get(found);
    if (known !== undefined) return known;
    let text = '';
    for (let i = 0; i < found.length; i++) text += this.#text(found.charCodeAt(i));
    const chunk = { bytes: Buffer.from(text), events: found.length };
    this.#chunks.set(found, chunk);
    return chunk;
  }

  #text(index: number): string {
    const change = this.#changes[index];
    if (change === undefined) throw new RangeError(`there is no change ${index}`);
    const text = this.#texts[index] ?? logEvent(this.#idOf(change.place), change.log);
    this.#texts[index] = text;
    return text;
  }
}

import { limits } from '../../limits.ts';

/** The labels whose values somebody made up, or that say where the server's own things lie. */
const namingLabels = ['mirror', 'sender', 'name', 'replica', 'place'];
const naming = new RegExp(`(?<=[{,])(${namingLabels.join('|')})="((?:[^"\\\\]|\\\\.)*)"`, 'g');
/** It names nothing, and what stands beside it is measured by it. */
const primary = 'primary';

/**
 * Prometheus text with a number in the place of each name: whoever may not learn how mirrors, pages, files and servers are
 * called still sees how many there are, and how each of them does. A number stays with its name while the process runs, and
 * goes to no other: a rate is taken of one series.
 */
export class NumberedNames {
  readonly #kinds = new Map<string, Numbers>();

  in(text: string): string {
    const seen = new Set<Numbers>();
    const numbered = text.replace(naming, (label: string, kind: string, name: string) => {
      if (name === primary) return label;
      const numbers = this.#kinds.getOrInsertComputed(kind, () => new Numbers());
      seen.add(numbers);
      return `${kind}="${numbers.of(name)}"`;
    });
    for (const numbers of seen) numbers.forget();
    return numbered;
  }
}

class Numbers {
  /** Those seen last stand last. */
  readonly #numbers = new Map<string, number>();
  readonly #seen = new Set<string>();
  #last = 0;

  of(name: string): number {
    const number = this.#numbers.get(name) ?? ++this.#last;
    this.#numbers.delete(name);
    this.#numbers.set(name, number);
    this.#seen.add(name);
    return number;
  }

  /** Lets go of names that are not told of any more, the oldest first, where there are too many. */
  forget(): void {
    for (const name of this.#numbers.keys()) {
      if (this.#numbers.size <= limits.numberedNamesMax || this.#seen.has(name)) break;
      this.#numbers.delete(name);
    }
    this.#seen.clear();
  }
}

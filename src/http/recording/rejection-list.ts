import { limits } from '../../limits.ts';
import type { Rejection } from '../../store/store.ts';

/** Texts of the listed rejections together: each may have many violations. */
const listedCharsMax = 1024 * 1024;

/** The first rejections of a request, in whatever order they come: as many as an answer lists. */
export class RejectionList {
  #held: Rejection[] = [];
  #heldChars = 0;
  /** Whatever comes after it is not listed. */
  #indexMax = Number.POSITIVE_INFINITY;

  add(rejection: Rejection): void {
    if (rejection.index > this.#indexMax) return;
    this.#held.push(rejection);
    this.#heldChars += charsOf(rejection);
    if (this.#held.length > 2 * limits.rejectionsListedMax || this.#heldChars > 2 * listedCharsMax) this.#cut();
  }

  /** By their index. */
  first(): readonly Rejection[] {
    this.#cut();
    return this.#held;
  }

  #cut(): void {
    this.#held.sort((a, b) => a.index - b.index);
    this.#heldChars = 0;
    let [count, chars] = [0, 0];
    for (const rejection of this.#held) {
      chars += charsOf(rejection);
      if (count === limits.rejectionsListedMax || chars > listedCharsMax) break;
      this.#heldChars = chars;
      count++;
    }
    if (count === this.#held.length) return;
    this.#held = this.#held.slice(0, count);
    this.#indexMax = this.#held.at(-1)?.index ?? -1;
  }
}

function charsOf({ violations }: Rejection): number {
  return violations.reduce((sum, one) => sum + one.property.length + one.violation.length, 100);
}

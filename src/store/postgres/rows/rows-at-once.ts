/** While nothing is known of them, or their contents are long. */
const few = 60;
const many = 300;
/** Of contents, that are held at once: the next ones may be as long as may be all the same. */
const charsMax = 1024 * 1024;

/** How many rows are read at once where each is looked through here: all of them are held, and contents may be long. */
export class RowsAtOnce {
  count = few;
  #rows = 0;
  #chars = 0;

  saw({ contentJson }: { readonly contentJson: string }): void {
    this.#rows++;
    this.#chars += contentJson.length;
  }

  /** All that were read were seen. */
  next(): void {
    this.count = this.#chars * many <= charsMax * this.#rows ? many : few;
    this.#rows = 0;
    this.#chars = 0;
  }
}

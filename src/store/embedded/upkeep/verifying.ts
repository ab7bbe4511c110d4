/** One sealed segment after the other is compared with its checksums, newest first, while the log serves. */
export class Verifying {
  readonly #left: number[] = [];
  readonly #verify: (segmentId: number) => boolean;
  #now: number | undefined;

  /** `verify` begins with a segment, and gives whether there is one. */
  constructor(verify: (segmentId: number) => boolean) {
    this.#verify = verify;
  }

  add(segmentId: number): void {
    this.#left.push(segmentId);
  }

  isAt(segmentId: number): boolean {
    return this.#now === segmentId;
  }

  next(): void {
    do this.#now = this.#left.pop();
    while (this.#now !== undefined && !this.#verify(this.#now));
  }
}

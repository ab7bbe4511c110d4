const firstBytes = 64 * 1024;

/** The text of a page, as bytes: what is added is written behind what there is, so that no piece is kept beside it. */
export class PageBytes {
  #room = Buffer.allocUnsafeSlow(firstBytes);
  #end = 0;

  /** The bytes it takes. */
  get held(): number {
    return this.#room.byteLength;
  }

  add(text: string): void {
    const end = this.#end + Buffer.byteLength(text);
    if (end > this.#room.byteLength) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.#room.byteLength * 2));
      grown.set(this.#room.subarray(0, this.#end));
      this.#room = grown;
    }
    this.#room.write(text, this.#end);
    this.#end = end;
  }

  /** All of it, in a buffer of its own that is no longer than it. */
  end(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#room.buffer.transfer(this.#end));
  }
}

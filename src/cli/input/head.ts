/** What an input's first bytes say it is: an array, a page with `results`, neither, or not enough to tell. */
export type Found = 'array' | 'page' | 'none' | 'unknown';

const [quote, backslash, colon, comma] = [0x22, 0x5c, 0x3a, 0x2c];
const [braceOpen, braceClose, bracketOpen, bracketClose] = [0x7b, 0x7d, 0x5b, 0x5d];
const spaces: readonly number[] = [0x20, 0x09, 0x0a, 0x0d];

/** Longer than the one name that is looked for. */
const nameBytesMax = 32;

/**
 * Reads what stands before the first record, byte by byte: of an array its bracket, of a page the fields before its
 * `results`, whatever they hold. An object that ends without them is no page, but a record.
 */
export class Head {
  #place: 'start' | 'name' | 'in name' | 'colon' | 'value' | 'in value' = 'start';
  #name = '';
  #depth = 0;
  #inText = false;
  #escaped = false;

  /** Whether nothing but space has come. */
  get isEmpty(): boolean {
    return this.#place === 'start';
  }

  take(byte: number): Found {
    if (this.#place === 'in name') return this.#readName(byte);
    if (this.#place === 'in value') return this.#passValue(byte);
    if (spaces.includes(byte)) return 'unknown';
    switch (this.#place) {
      case 'start':
        if (byte === bracketOpen) return 'array';
        return this.#goOn(byte === braceOpen, 'name');
      case 'name':
        this.#name = '';
        return this.#goOn(byte === quote, 'in name');
      case 'colon':
        return this.#goOn(byte === colon, 'value');
      case 'value':
        if (this.#name === 'results') return byte === bracketOpen ? 'page' : 'none';
        this.#place = 'in value';
        return this.#passValue(byte);
    }
  }

  #goOn(isExpected: boolean, place: 'name' | 'in name' | 'value'): Found {
    this.#place = place;
    return isExpected ? 'unknown' : 'none';
  }

  #readName(byte: number): Found {
    if (byte === quote && !this.#escaped) this.#place = 'colon';
    else if (this.#name.length < nameBytesMax) this.#name += String.fromCharCode(byte);
    this.#escaped = byte === backslash && !this.#escaped;
    return 'unknown';
  }

  #passValue(byte: number): Found {
    if (this.#inText) {
      if (byte === quote && !this.#escaped) this.#inText = false;
      this.#escaped = byte === backslash && !this.#escaped;
    } else if (byte === quote) this.#inText = true;
    else if (byte === braceOpen || byte === bracketOpen) this.#depth++;
    else if (byte === comma && this.#depth === 0) this.#place = 'name';
    else if (byte === braceClose || byte === bracketClose) {
      if (this.#depth === 0) return 'none';
      this.#depth--;
    }
    return 'unknown';
  }
}

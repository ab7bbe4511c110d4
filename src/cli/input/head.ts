/** What a value's first bytes say it is: a page with `results`, an object that ended without them, neither, or not enough to tell. */
export type Found = 'page' | 'object' | 'none' | 'unknown';

const [newline, quote, backslash, colon, comma] = [0x0a, 0x22, 0x5c, 0x3a, 0x2c];
const [braceOpen, braceClose, bracketOpen, bracketClose] = [0x7b, 0x7d, 0x5b, 0x5d];
const spaces: readonly number[] = [0x20, 0x09, 0x0a, 0x0d];

/** Longer than the one name that is looked for. */
const nameBytesMax = 32;

/**
 * Reads an object, byte by byte, until its `results` begin, whatever the fields before them hold: then it is a page. An
 * object that ends without them is a record.
 */
export class Head {
  #place: 'start' | 'name' | 'in name' | 'colon' | 'value' | 'in value' = 'start';
  #name = '';
  #isEmpty = true;
  #depth = 0;
  #inText = false;
  #escaped = false;

  #isSpread = false;

  /** Whether nothing but space has come. */
  get isNew(): boolean {
    return this.#place === 'start';
  }

  /** Whether the object goes on behind the end of its first line, as NDJSON has none. */
  get isSpread(): boolean {
    return this.#isSpread;
  }

  take(byte: number): Found {
    if (byte === newline && this.#place !== 'start') this.#isSpread = true;
    if (this.#place === 'in name') return this.#readName(byte);
    if (this.#place === 'in value') return this.#passValue(byte);
    if (spaces.includes(byte)) return 'unknown';
    switch (this.#place) {
      case 'start':
        return this.#goOn(byte === braceOpen, 'name');
      case 'name':
        if (byte === braceClose && this.#isEmpty) return 'object';
        this.#isEmpty = false;
        this.#name = '';
        return this.#goOn(byte === quote, 'in name');
      case 'colon':
        return this.#goOn(byte === colon, 'value');
      case 'value':
        if (this.#name === 'results' && byte === bracketOpen) return 'page';
        this.#place = 'in value';
        return this.#passValue(byte, true);
    }
  }

  #goOn(isExpected: boolean, place: 'name' | 'in name' | 'value'): Found {
    this.#place = place;
    return isExpected ? 'unknown' : 'none';
  }

  #readName(byte: number): Found {
    if (byte === newline) return 'none';
    if (byte === quote && !this.#escaped) this.#place = 'colon';
    else if (this.#name.length < nameBytesMax) this.#name += String.fromCharCode(byte);
    this.#escaped = byte === backslash && !this.#escaped;
    return 'unknown';
  }

  /** A text with a line break, or a second value behind the first, is what a line that was cut short looks like. */
  #passValue(byte: number, begins = false): Found {
    if (this.#inText) {
      if (byte === newline) return 'none';
      if (byte === quote && !this.#escaped) this.#inText = false;
      this.#escaped = byte === backslash && !this.#escaped;
      return 'unknown';
    }
    const opens = byte === braceOpen || byte === bracketOpen;
    if (this.#depth === 0 && !begins && (opens || byte === quote)) return 'none';
    if (byte === quote) this.#inText = true;
    else if (opens) this.#depth++;
    else if (byte === comma && this.#depth === 0) this.#place = 'name';
    else if (byte === braceClose || byte === bracketClose) {
      if (this.#depth === 0) return byte === braceClose ? 'object' : 'none';
      this.#depth--;
    }
    return 'unknown';
  }
}

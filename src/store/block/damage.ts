/** A part of a block, or of what holds blocks, that is not what was written; nothing else of it is concerned. */
export class DamagedBlock extends Error {
  readonly part: string;

  constructor(part: string, reason: string) {
    super(`${part}: ${reason}`);
    this.name = 'DamagedBlock';
    this.part = part;
  }
}

/** What is sound, and of another version than is read here. */
export class OtherBlockVersion extends Error {
  readonly version: number;
  readonly expected: number;

  constructor(version: number, expected: number) {
    super(`a block of version ${version}, and this program reads version ${expected}`);
    this.name = 'OtherBlockVersion';
    this.version = version;
    this.expected = expected;
  }
}

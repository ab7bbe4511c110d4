const characterBytes = 4;
/** As many characters as a function surely takes as arguments. */
const atOnce = 4096;

/** UTF-32 as UTF-8, which no decoder of Node or of browsers reads; throws a `TypeError`, as those do, where it is none. */
export async function* utf32Text(
  source: AsyncIterable<Buffer>,
  isLittleEndian: boolean,
): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const wholeBytes = bytes.length - (bytes.length % characterBytes);
    yield Buffer.from(textOf(bytes.subarray(0, wholeBytes), isLittleEndian));
    rest = bytes.subarray(wholeBytes);
  }
  if (rest.length > 0) throw new TypeError('UTF-32 that ends within a character');
}

function textOf(bytes: Buffer, isLittleEndian: boolean): string {
  const characters: number[] = [];
  let text = '';
  for (let at = 0; at < bytes.length; at += characterBytes) {
    const character = isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
      throw new TypeError(`there is no character ${character}`);
    characters.push(character);
    if (characters.length < atOnce && at + characterBytes < bytes.length) continue;
    text += String.fromCodePoint(...characters);
    characters.length = 0;
  }
  return text;
}

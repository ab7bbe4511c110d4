import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { CommandError } from '../terminal.ts';
import { utf32Text } from './utf-32.ts';

/** How what is packed begins, as hexadecimal. */
const packed = { '1f8b': ['gzip', createGunzip], '28b52ffd': ['zstd', createZstdDecompress] } as const;
const foreign = { '504b0304': 'zip', fd377a58: 'xz', '425a68': 'bzip2', '04224d18': 'lz4' };

/** How text of wider characters begins: by its mark; or by a character of ASCII, as JSON does. UTF-32 looks like UTF-16 to begin with. */
const wide = {
  'utf-32le': /^(fffe0000|[0-7].000000)/,
  'utf-32be': /^(0000feff|000000[0-7])/,
  'utf-16le': /^(fffe|[0-7][1-9a-f]00|[1-7]000)/,
  'utf-16be': /^(feff|00[0-7][1-9a-f]|00[1-7]0)/,
};
const markBytes = 4;

/** An input as UTF-8, whatever its first bytes say it is: packed, of wider characters, both, or text already. */
export async function* utf8Text(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const chunks = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < markBytes) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const mark = head.subarray(0, markBytes).toString('hex');
  const whole = chained(head, chunks);
  const [, unpacking] = Object.entries(packed).find(([begin]) => mark.startsWith(begin)) ?? [];
  const [, archive] = Object.entries(foreign).find(([begin]) => mark.startsWith(begin)) ?? [];
  const [encoding] = Object.entries(wide).find(([, pattern]) => pattern.test(mark)) ?? [];
  if (archive !== undefined)
    throw new CommandError(`the input is ${archive}: unpack it first, or pack it as gzip or zstd`);
  if (unpacking !== undefined) yield* utf8Text(unpacked(whole, unpacking[0], unpacking[1]));
  else if (encoding === undefined) yield* whole;
  else yield* decoded(whole, encoding);
}

async function* chained(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* unpacked(
  source: AsyncIterable<Buffer>,
  name: string,
  begin: typeof createGunzip | typeof createZstdDecompress,
): AsyncGenerator<Buffer, void, undefined> {
  const unpack = begin();
  // A failure reaches whoever reads the text: the pipeline destroys its end with it.
  pipeline(source, unpack, () => {});
  try {
    for await (const chunk of unpack) yield chunk;
  } catch (error) {
    const isDamage = error instanceof Error && 'code' in error && /^Z(STD)?_/i.test(String(error.code));
    if (!isDamage) throw error;
    throw new CommandError(`the input is ${name} that is damaged or cut short: ${error.message}`, { cause: error });
  }
}

async function* decoded(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer, void, undefined> {
  const name = encoding.slice(0, 6).toUpperCase();
  try {
    if (name === 'UTF-32') yield* utf32Text(source, encoding === 'utf-32le');
    else yield* utf16Text(source, encoding);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError(`the input begins as ${name} and is not`, { cause: error });
  }
}

async function* utf16Text(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  for await (const chunk of source) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

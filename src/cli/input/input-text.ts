import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CommandError } from '../terminal.ts';

const gzipMark = '1f8b';
/** How UTF-16 begins, as hexadecimal: by its mark; or by a character of ASCII, as JSON does. */
const utf16Marks = { 'utf-16le': /^(fffe|[0-7][1-9a-f]00|[1-7]000)$/, 'utf-16be': /^(feff|00[0-7][1-9a-f]|00[1-7]0)$/ };

/** An input as UTF-8, whatever its first bytes say it is: gzip, UTF-16, gzip of UTF-16, or text already. */
export async function* utf8Text(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const chunks = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const mark = head.subarray(0, 2).toString('hex');
  const whole = chained(head, chunks);
  const [encoding] = Object.entries(utf16Marks).find(([, pattern]) => pattern.test(mark)) ?? [];
  if (mark === gzipMark) yield* utf8Text(unzipped(whole));
  else if (encoding !== undefined) yield* decoded(whole, encoding);
  else yield* whole;
}

async function* chained(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* unzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip();
  // A failure reaches whoever reads the text: the pipeline destroys its end with it.
  pipeline(source, gunzip, () => {});
  try {
    for await (const chunk of gunzip) yield chunk;
  } catch (error) {
    const isZip = error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
    if (!isZip) throw error;
    throw new CommandError(`the input is gzip that is damaged or cut short: ${error.message}`, { cause: error });
  }
}

async function* decoded(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for await (const chunk of source) yield Buffer.from(decoder.decode(chunk, { stream: true }));
    yield Buffer.from(decoder.decode());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError('the input begins as UTF-16 and is not', { cause: error });
  }
}

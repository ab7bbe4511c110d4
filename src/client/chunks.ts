import type { LogSubmission } from './types.ts';

export type ChunkBounds = { readonly recordsMax: number; readonly charsMax: number };

/** Records as the body of one request. */
export type Chunk = { readonly first: number; readonly records: number; readonly body: string };

/** Gathers records into NDJSON bodies. A text is taken as one line of NDJSON, as it stands. */
export async function* chunksOf(
  source: AsyncIterable<LogSubmission | string> | Iterable<LogSubmission | string>,
  { recordsMax, charsMax }: ChunkBounds,
): AsyncGenerator<Chunk, void, undefined> {
  let lines: string[] = [];
  let chars = 0;
  let first = 0;
  for await (const record of source) {
    const line = typeof record === 'string' ? record : JSON.stringify(record);
    if (lines.length > 0 && (lines.length >= recordsMax || chars + line.length > charsMax)) {
      yield { first, records: lines.length, body: lines.join('\n') };
      first += lines.length;
      lines = [];
      chars = 0;
    }
    lines.push(line);
    chars += line.length + 1;
  }
  if (lines.length > 0) yield { first, records: lines.length, body: lines.join('\n') };
}

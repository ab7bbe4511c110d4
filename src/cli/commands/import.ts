import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import type { Rejection } from '../../client/index.ts';
import { clientOf, clientOptions } from '../client.ts';
import { inputRecords } from '../input/input-records.ts';
import { ImportProgress } from '../progress.ts';
import { abortedBySignals, CommandError, note } from '../terminal.ts';

export function addImport(program: Command): void {
  const command = program
    .command('import')
    .description(
      'Record the messages and reports of a file: NDJSON, JSON objects spread over lines, arrays, or {"results": […]} as the API answers it; gzip, zstd, UTF-16 and UTF-32 too.',
    )
    .argument('<file>', 'file to read; - for standard input');
  clientOptions(command).action(async (path: string) => {
    const client = clientOf(command);
    const totalBytes = path === '-' ? undefined : await sizeOf(path);
    const progress = new ImportProgress(totalBytes);
    const stopping = abortedBySignals();
    const input = addAbortSignal(stopping, path === '-' ? process.stdin : createReadStream(path));
    const lines: number[] = [];
    try {
      const records = recordsOf(counted(input, progress), lines, progress);
      for await (const chunk of client.recordStream(records, { signal: stopping })) {
        const chunkLines = lines.splice(0, chunk.records);
        progress.recorded(chunk);
        for (const one of chunk.rejected) progress.reject(chunkLines[one.index - chunk.first] ?? 0, reasonOf(one));
        progress.rejectUnlisted((chunk.rejectedCount ?? 0) - chunk.rejected.length, chunkLines);
      }
    } catch (error) {
      if (!stopping.aborted) throw error;
    } finally {
      progress.finish();
    }
    if (stopping.aborted) note('stopped: what was recorded stays, and to import it again changes nothing');
    if (stopping.aborted || progress.rejected > 0) process.exitCode = 1;
  });
}

/** The size of a file; of a pipe or device it is not known beforehand. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path);
  if (found.isDirectory()) throw new CommandError(`${path} is a folder, and not a file`);
  return found.isFile() ? found.size : undefined;
}

async function* counted(input: AsyncIterable<unknown>, progress: ImportProgress): AsyncGenerator<Buffer> {
  for await (const bytes of input) {
    if (!Buffer.isBuffer(bytes)) throw new TypeError('the input is not read as bytes');
    progress.read(bytes.length);
    yield bytes;
  }
}

/** The records to send, with their lines put down in `lines`; those that cannot be sent are rejected here. */
async function* recordsOf(
  input: AsyncIterable<Buffer>,
  lines: number[],
  progress: ImportProgress,
): AsyncGenerator<string> {
  for await (const record of inputRecords(input)) {
    if ('refusal' in record) {
      progress.reject(record.line, record.refusal);
      continue;
    }
    lines.push(record.line);
    yield record.json;
  }
}

function reasonOf({ messageId, violations }: Rejection): string {
  const reasons = violations.map(({ property, violation }) =>
    property === '' ? violation : `${property} ${violation}`,
  );
  return `${messageId === undefined ? '' : `${messageId}: `}${reasons.join('; ')}`;
}

import { randomUUID } from 'node:crypto';
import { rmSync, type Stats } from 'node:fs';
import { lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { clientOf, clientOptions } from '../client.ts';
import { filterOf, filterOptions, text } from '../flags.ts';
import { ExportProgress } from '../progress.ts';
import { abortedBySignals, beforeEnd, CommandError, note, print } from '../terminal.ts';

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('Write all messages that match, without any limit.')
    .addOption(new Option('--format <format>', 'form of the output').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--output <file>', 'file to write; it appears only once it is whole (default: standard output)');
  clientOptions(filterOptions(command)).action(async () => {
    const flags = command.opts();
    const format = text(flags, 'format') === 'csv' ? 'csv' : 'ndjson';
    const output = text(flags, 'output');
    // What is half written is removed first.
    const stopping = output === undefined ? undefined : abortedBySignals();
    try {
      const stream = await clientOf(command).exportLogs(filterOf(flags), {
        format,
        ...(stopping && { signal: stopping }),
      });
      if (output === undefined) for await (const bytes of stream) await print(bytes);
      else await writeFile(output, stream);
    } catch (error) {
      if (!stopping?.aborted) throw error;
      note(`stopped: ${output} is as it was`);
      process.exitCode = 1;
    }
  });
}

/** What an export has written so far. */
const unfinishedBegin = '.sentlog-export.';

/**
 * Nobody writes any more to what was not written to for so long: an answer that brings nothing for minutes is broken off. Names
 * and processes do not tell it, since containers that share a folder may have the same ones.
 */
const abandonedAfterMs = 3_600_000;

/** Beside the file under another name first, so that a broken export leaves nothing that looks like a whole one. */
async function writeFile(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const cannot = (error: unknown): never => {
    throw new CommandError(`--output: ${path || 'a file without a name'} cannot be written: ${codeOf(error)}`, {
      cause: error,
    });
  };
  const target = await targetOf(path).catch(cannot);
  const folder = dirname(target.path);
  const written = target.replaceable ? join(folder, `${unfinishedBegin}${randomUUID()}`) : path;
  const remove = () => target.replaceable && rmSync(written, { force: true });
  const release = beforeEnd(remove);
  try {
    const file = await open(written, 'w').catch(cannot);
    const progress = new ExportProgress();
    try {
      // By the clock that the others' times are of, too.
      if (target.replaceable) await removeAbandoned(folder, (await file.stat()).mtimeMs).catch(cannot);
      for await (const bytes of stream) {
        await file.writeFile(bytes).catch(cannot);
        progress.wrote(bytes.length);
      }
      if (target.replaceable) await file.sync().catch(cannot);
    } finally {
      progress.finish();
      await file.close().catch(cannot);
    }
    if (target.replaceable) await rename(written, target.path).catch(cannot);
  } catch (error) {
    remove();
    throw error;
  } finally {
    release();
  }
}

/** What exports into this folder left there that were killed: they could not remove it. */
async function removeAbandoned(folder: string, nowMs: number): Promise<void> {
  for (const name of await unlessOutOfReach(readdir(folder), [])) {
    if (!name.startsWith(unfinishedBegin)) continue;
    const path = join(folder, name);
    const found = await unlessOutOfReach(lstat(path), undefined);
    const isLeft = found?.isFile() && found.mtimeMs < nowMs - abandonedAfterMs;
    if (isLeft) await unlessOutOfReach(rm(path, { force: true }), undefined);
  }
}

/** What others left or took away, or who may write into a folder and not look into it, is no reason not to export. */
async function unlessOutOfReach<T>(step: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOENT'].some(code => code === codeOf(error))) throw error;
    return otherwise;
  }
}

/** Behind links; a device or a pipe is written into, never replaced. */
async function targetOf(path: string): Promise<{ readonly path: string; readonly replaceable: boolean }> {
  const found = await statIfAny(path);
  if (found === undefined) return { path, replaceable: true };
  return found.isFile() ? { path: await realpath(path), replaceable: true } : { path, replaceable: false };
}

async function statIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error;
}

import { randomUUID } from 'node:crypto';
import { rmSync, type Stats } from 'node:fs';
import { open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
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

/** What an export of this machine has written so far, with its process after it. */
const unfinishedBegin = `.sentlog-export.${hostname()}.`;

/** Beside the file under another name first, so that a broken export leaves nothing that looks like a whole one. */
async function writeFile(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const cannot = (error: unknown): never => {
    throw new CommandError(`--output: ${path || 'a file without a name'} cannot be written: ${codeOf(error)}`, {
      cause: error,
    });
  };
  const target = await targetOf(path).catch(cannot);
  const folder = dirname(target.path);
  const written = target.replaceable ? join(folder, `${unfinishedBegin}${process.pid}.${randomUUID()}`) : path;
  const remove = () => target.replaceable && rmSync(written, { force: true });
  const release = beforeEnd(remove);
  try {
    if (target.replaceable) await removeUnfinished(folder).catch(cannot);
    const file = await open(written, 'w').catch(cannot);
    const progress = new ExportProgress();
    try {
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
async function removeUnfinished(folder: string): Promise<void> {
  const names = await unlessForbidden(readdir(folder), []);
  for (const name of names) {
    const pid = name.startsWith(unfinishedBegin) ? Number.parseInt(name.slice(unfinishedBegin.length), 10) : 0;
    const isLeft = pid > 0 && (pid === process.pid || !isRunning(pid));
    if (isLeft) await unlessForbidden(rm(join(folder, name), { force: true }), undefined);
  }
}

/** What others left, or who may write into a folder and not look into it, is no reason not to export. */
async function unlessForbidden<T>(step: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') throw error;
    return otherwise;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's may not be signalled.
    return codeOf(error) !== 'ESRCH';
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

import { once } from 'node:events';

/** Something the caller can put right; `message` is one line. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** Writes to standard output, waiting when its reader is slow. */
export async function print(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** JSON on a line of its own; between its parts alone there are line breaks. */
export function jsonLine(text: string): string {
  return `${text.replaceAll(/[\r\n]/g, ' ')}\n`;
}

/** A note for the person at the terminal; never part of the output. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A reader that has seen enough (`| head`) is no error. */
export function endWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

/** Aborted by the first of these signals that the process gets; a second one ends it, as if nobody listened. */
export function abortedBy(...signals: readonly NodeJS.Signals[]): AbortSignal {
  const stopping = new AbortController();
  for (const signal of signals) process.once(signal, () => stopping.abort());
  return stopping.signal;
}

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

/** As one word of a command that a person pastes into a shell of POSIX. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : shellQuoted(text);
}

export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Ends the process once its output cannot be written: a reader that has seen enough (`| head`) is no error, a full disk is. */
export function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    for (const step of lastSteps) step();
    if (error.code === 'EPIPE') process.exit();
    note(`sentlog: standard output cannot be written: ${error.message}`);
    process.exit(1);
  });
}

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let stopping: AbortController | undefined;
/** What must not be left behind, or not as it is. */
const lastSteps = new Set<() => void>();

/** Aborted by the first signal that tells the process to end; a second one ends it at once. */
export function abortedBySignals(): AbortSignal {
  listen();
  stopping ??= new AbortController();
  return stopping.signal;
}

/** Has `step` taken before a signal ends the process at once, until what is given back is called. */
export function beforeEnd(step: () => void): () => void {
  listen();
  lastSteps.add(step);
  return () => lastSteps.delete(step);
}

function listen(): void {
  for (const signal of endingSignals) if (!process.listeners(signal).includes(end)) process.on(signal, end);
}

function end(signal: NodeJS.Signals): void {
  if (stopping !== undefined && !stopping.signal.aborted) return stopping.abort();
  for (const step of lastSteps) step();
  for (const one of endingSignals) process.off(one, end);
  // As if nobody had listened: a shell goes by how a program ended.
  process.kill(process.pid, signal);
}

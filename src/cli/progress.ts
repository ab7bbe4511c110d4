import cliProgress, { type Options, type Params, type SingleBar } from 'cli-progress';
import type { RecordResult } from '../client/index.ts';
import { note } from './terminal.ts';

const clearLine = '\r\u001b[K';

/** What an import has done so far: a bar on a terminal, and a last line everywhere; on standard error. */
export class ImportProgress {
  readonly #startMs = performance.now();
  readonly #totalBytes: number | undefined;
  readonly #bar: SingleBar | undefined;
  #bytes = 0;
  #recorded = 0;
  #updated = 0;
  #unchanged = 0;
  #rejected = 0;

  /** Without `totalBytes` the bar cannot say how much is left, and only counts. */
  constructor(totalBytes: number | undefined) {
    this.#totalBytes = totalBytes;
    if (!process.stderr.isTTY) return;
    this.#bar = new cliProgress.SingleBar({
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 100,
      format: (options, params) => this.#line(options, params),
    });
    this.#bar.start(totalBytes ?? 0, 0);
  }

  get rejected(): number {
    return this.#rejected;
  }

  read(bytes: number): void {
    this.#bytes += bytes;
  }

  recorded(result: RecordResult): void {
    this.#recorded += result.recorded;
    this.#updated += result.updated;
    this.#unchanged += result.unchanged;
    this.#bar?.update(Math.min(this.#bytes, this.#totalBytes ?? this.#bytes));
  }

  reject(line: number, reason: string): void {
    this.#rejected++;
    this.#note(`line ${line}: ${reason}`);
  }

  /** Further records of these lines, of which the server did not say which they are. */
  rejectUnlisted(count: number, lines: readonly number[]): void {
    if (count <= 0) return;
    this.#rejected += count;
    this.#note(`lines ${lines[0]} to ${lines.at(-1)}: ${count} more were rejected`);
  }

  finish(): void {
    this.#bar?.stop();
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(1);
    const figures = [
      `${this.#recorded} recorded`,
      `${this.#updated} updated`,
      `${this.#unchanged} unchanged`,
      `${this.#rejected} rejected`,
    ];
    note(`${figures.join(', ')} in ${seconds} s (${this.#rate()} a second)`);
  }

  #note(text: string): void {
    note(`${this.#bar === undefined ? '' : clearLine}${text}`);
  }

  #records(): number {
    return this.#recorded + this.#updated + this.#unchanged + this.#rejected;
  }

  #rate(): number {
    return Math.round(this.#records() / Math.max((performance.now() - this.#startMs) / 1000, 0.001));
  }

  #line(options: Options, params: Params): string {
    const counts = `${this.#records()} records, ${this.#rate()} a second`;
    if (this.#totalBytes === undefined) return counts;
    const bar = cliProgress.Format.BarFormat(params.progress, options);
    const left = Number.isFinite(params.eta) ? cliProgress.Format.TimeFormat(params.eta, options, 1) : 'unknown time';
    return `${bar} ${Math.floor(params.progress * 100)} %, ${counts}, ${left} left`;
  }
}

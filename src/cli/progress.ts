import cliProgress, { type MultiBar, type Options, type Params, type SingleBar } from 'cli-progress';
import type { RecordResult } from '../client/index.ts';
import type { CopyStep } from '../store/copy-log.ts';
import { beforeEnd, note } from './terminal.ts';

/** What has been done after so many seconds. The bar asks for it as soon as it is made. */
type Figures = (seconds: number) => string;

/**
 * How far a command is: a bar on a terminal, with the figures beside it; on standard error. It moves by line ends alone and
 * leaves the terminal's cursor and modes as they are, so that whatever stops the program has nothing to put right there.
 */
class ProgressBar {
  readonly #startMs = performance.now();
  readonly #total: number | undefined;
  readonly #figures: Figures;
  readonly #shown: { readonly bars: MultiBar; readonly bar: SingleBar; readonly release: () => void } | undefined;

  /** Without `total` the bar cannot say how much is left, and only shows the figures. */
  constructor(total: number | undefined, figures: Figures) {
    this.#total = total;
    this.#figures = figures;
    if (!process.stderr.isTTY) return;
    // One alone saves the cursor's place and goes back there, which is the bar's no more once notes have moved it down.
    const bars = new cliProgress.MultiBar({
      stream: process.stderr,
      // Cut to the width by the program, and not by the terminal.
      linewrap: true,
      clearOnComplete: true,
      barsize: 20,
      gracefulExit: false,
      forceRedraw: true,
      etaBuffer: 100,
      format: (options, params) => this.#line(options, params).slice(0, params.maxWidth - 1),
    });
    this.#shown = { bars, bar: bars.create(total ?? 0, 0), release: beforeEnd(() => this.stop()) };
    bars.update();
  }

  get seconds(): number {
    return Math.max((performance.now() - this.#startMs) / 1000, 0.001);
  }

  update(done: number): void {
    this.#shown?.bar.update(Math.min(done, this.#total ?? done));
  }

  /** Above the bar, when that is drawn next. */
  note(text: string): void {
    if (this.#shown === undefined) note(text);
    else this.#shown.bars.log(`${text}\n`);
  }

  stop(): void {
    if (!this.#shown?.bars.isActive) return;
    this.#shown.release();
    // What was noted since the bar was drawn last.
    this.#shown.bars.update();
    this.#shown.bars.stop();
  }

  #line(options: Options, params: Params): string {
    if (this.#total === undefined) return this.#figures(this.seconds);
    const bar = cliProgress.Format.BarFormat(params.progress, options);
    const left = Number.isFinite(params.eta) ? cliProgress.Format.TimeFormat(params.eta, options, 1) : 'unknown time';
    return `${bar} ${Math.floor(params.progress * 100)} %, ${this.#figures(this.seconds)}, ${left} left`;
  }
}

/** What an import has done so far: a bar, and a last line everywhere. */
export class ImportProgress {
  readonly #bar: ProgressBar;
  #bytes = 0;
  #recorded = 0;
  #updated = 0;
  #unchanged = 0;
  #waiting = 0;
  #flawed = 0;
  #rejected = 0;

  constructor(totalBytes: number | undefined) {
    this.#bar = new ProgressBar(
      totalBytes,
      seconds => `${this.#records()} records, ${rate(this.#records(), seconds)} a second`,
    );
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
    this.#waiting += result.waiting ?? 0;
    this.#flawed += result.flawed ?? 0;
    this.#bar.update(this.#bytes);
  }

  reject(line: number, reason: string): void {
    this.#rejected++;
    this.#bar.note(`line ${line}: ${reason}`);
  }

  /** Further records of these lines, of which the server did not say which they are. */
  rejectUnlisted(count: number, lines: readonly number[]): void {
    if (count <= 0) return;
    this.#rejected += count;
    this.#bar.note(`lines ${lines[0]} to ${lines.at(-1)}: ${count} more were rejected`);
  }

  finish(): void {
    this.#bar.stop();
    const figures = [
      `${this.#recorded} recorded`,
      `${this.#updated} updated`,
      `${this.#unchanged} unchanged`,
      ...(this.#waiting > 0 ? [`${this.#waiting} waiting for their messages`] : []),
      ...(this.#flawed > 0 ? [`${this.#flawed} with flawed content`] : []),
      `${this.#rejected} rejected`,
    ];
    note(`${figures.join(', ')} ${pace(this.#records(), this.#bar.seconds)}`);
  }

  #records(): number {
    return this.#recorded + this.#updated + this.#unchanged + this.#waiting + this.#rejected;
  }
}

/** How much of an export is written: a bar, and nothing elsewhere. How much is to come nobody knows before. */
export class ExportProgress {
  readonly #bar: ProgressBar;
  #bytes = 0;

  constructor() {
    this.#bar = new ProgressBar(
      undefined,
      seconds => `${megabytes(this.#bytes)} MB written, ${megabytes(this.#bytes / seconds)} MB a second`,
    );
  }

  wrote(bytes: number): void {
    this.#bytes += bytes;
    this.#bar.update(this.#bytes);
  }

  finish(): void {
    this.#bar.stop();
  }
}

/** How far a copy is: a bar for copying, another for checking, and a last line for what was copied. */
export class CopyProgress {
  readonly #total: number;
  #bar: ProgressBar;
  #rows = 0;
  readonly #sum = { rows: 0, copied: 0, completed: 0, alreadyThere: 0, withoutAccount: 0 };

  constructor(messages: number) {
    this.#total = messages;
    this.#bar = this.#newBar('copied');
  }

  get withoutAccount(): number {
    return this.#sum.withoutAccount;
  }

  add(step: CopyStep): void {
    for (const name of ['rows', 'copied', 'completed', 'alreadyThere', 'withoutAccount'] as const)
      this.#sum[name] += step[name];
    this.read(step.rows);
  }

  read(rows: number): void {
    this.#rows += rows;
    this.#bar.update(this.#rows);
  }

  copied(): void {
    this.stop();
    const { rows, copied, completed, alreadyThere, withoutAccount } = this.#sum;
    const figures = [
      `${copied} messages copied`,
      `${completed} completed`,
      `${alreadyThere} there already`,
      `${rows - copied - completed - alreadyThere - withoutAccount} past retention`,
    ];
    note(`${figures.join(', ')} ${pace(rows, this.#bar.seconds)}`);
    this.#rows = 0;
    this.#bar = this.#newBar('compared');
  }

  stop(): void {
    this.#bar.stop();
  }

  #newBar(what: string): ProgressBar {
    return new ProgressBar(
      this.#total,
      seconds => `${this.#rows} messages ${what}, ${rate(this.#rows, seconds)} a second`,
    );
  }
}

function pace(count: number, seconds: number): string {
  return `in ${seconds.toFixed(1)} s (${rate(count, seconds)} a second)`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function rate(count: number, seconds: number): number {
  return Math.round(count / seconds);
}

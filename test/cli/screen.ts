/** What a terminal of so many columns and rows shows of what is written to it; `row` is where its cursor stands first, from 0. */
export class Screen {
  readonly #columns: number;
  readonly #rows: number;
  /** From the first line that ever scrolled out of sight. */
  readonly #lines: string[][] = [];
  #top = 0;
  #row: number;
  #column = 0;
  #saved = { row: 0, column: 0 };
  #wraps = true;
  #showsCursor = true;

  constructor({ columns, rows, row }: { readonly columns: number; readonly rows: number; readonly row: number }) {
    this.#columns = columns;
    this.#rows = rows;
    this.#row = row;
  }

  /** Down to where the cursor stands, without the blanks at the ends. */
  get lines(): readonly string[] {
    return Array.from({ length: this.#top + this.#row + 1 }, (_, at) => (this.#lines[at] ?? []).join('').trimEnd());
  }

  /** Whether whoever types next finds the terminal as it was. */
  get isAsBefore(): boolean {
    return this.#wraps && this.#showsCursor;
  }

  write(text: string): void {
    for (const [part, order] of text.matchAll(/\u001b\[([?\d;]*[A-Za-z])|\u001b[78]|./gsu)) {
      if (order !== undefined) this.#obey(order);
      else if (part === '\u001b7') this.#saved = { row: this.#row, column: this.#column };
      else if (part === '\u001b8') [this.#row, this.#column] = [this.#saved.row, this.#saved.column];
      else if (part === '\r') this.#column = 0;
      else if (part === '\n') this.#newLine();
      else this.#put(part);
    }
  }

  #obey(order: string): void {
    const count = Number.parseInt(order, 10) || 0;
    if (order === '?7h' || order === '?7l') this.#wraps = order === '?7h';
    else if (order === '?25h' || order === '?25l') this.#showsCursor = order === '?25h';
    else if (order.endsWith('G')) this.#column = Math.max(count, 1) - 1;
    else if (order.endsWith('A')) this.#row = Math.max(0, this.#row - Math.max(count, 1));
    else if (order.endsWith('K') || order.endsWith('J')) this.#erase(order, count);
    else if (!order.endsWith('m')) throw new Error(`a terminal would have to know ${order}`);
  }

  #erase(order: string, kind: number): void {
    const line = this.#line();
    line.length = Math.max(line.length, this.#column);
    if (kind === 2) line.length = 0;
    else line.length = this.#column;
    if (order.endsWith('J')) this.#lines.length = this.#top + this.#row + 1;
  }

  #put(character: string): void {
    if (this.#column === this.#columns && this.#wraps) this.#newLine();
    this.#column = Math.min(this.#column, this.#columns - 1);
    const line = this.#line();
    while (line.length < this.#column) line.push(' ');
    line[this.#column] = character;
    this.#column++;
  }

  #line(): string[] {
    const at = this.#top + this.#row;
    while (this.#lines.length <= at) this.#lines.push([]);
    return this.#lines[at] ?? [];
  }

  /** As a terminal driver passes a line end on: to the first column of the next line. */
  #newLine(): void {
    this.#column = 0;
    if (this.#row < this.#rows - 1) this.#row++;
    else this.#top++;
  }
}

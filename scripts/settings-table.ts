/** Writes the table of settings between its two markers in README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../src/config.ts';

const readme = new URL('../README.md', import.meta.url);
const [start, end] = ['<!-- settings:start -->', '<!-- settings:end -->'];

const text = readFileSync(readme, 'utf8');
const [before, rest] = text.split(start);
const after = rest?.split(end)[1];
if (before === undefined || after === undefined) throw new Error(`README.md has no ${start} … ${end}`);
writeFileSync(readme, `${before}${start}\n\n${settingsTable()}\n\n${end}${after}`);

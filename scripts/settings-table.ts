/** Writes the table of settings between its two markers in docs/settings.md, and what the chart knows of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../src/config.ts';
import { chartSettings } from './chart-settings.ts';

const page = new URL('../docs/settings.md', import.meta.url);
const [start, end] = ['<!-- settings:start -->', '<!-- settings:end -->'];

const text = readFileSync(page, 'utf8');
const [before, rest] = text.split(start);
const after = rest?.split(end)[1];
if (before === undefined || after === undefined) throw new Error(`docs/settings.md has no ${start} … ${end}`);
writeFileSync(page, `${before}${start}\n\n${settingsTable()}\n\n${end}${after}`);

const schema = new URL('../deploy/helm/values.schema.json', import.meta.url);
const values = JSON.parse(readFileSync(schema, 'utf8'));
values.properties.env = chartSettings();
writeFileSync(schema, `${JSON.stringify(values, undefined, 2)}\n`);

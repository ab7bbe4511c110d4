import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LogsConditions, LogsFilter } from '../client/index.ts';
import { flagName, type Setting, type Sources } from '../config.ts';
import { type FilterField, filterFields } from '../domain/filter-fields.ts';
import { statusGroupNames } from '../domain/registry.ts';
import { BadValue, durationMs } from '../setting-kinds.ts';
import { parseDateTime } from '../wire/date-time.ts';
import { CommandError, note } from './terminal.ts';

/** The options of a command line as commander hands them over. */
export type Flags = Readonly<Record<string, unknown>>;

/** Declares the flag of a setting; its value is read by `config.ts`, together with its variable. */
export function settingOption(setting: Setting<unknown>): Option {
  const preset = setting.default === undefined || setting.default === '' ? '' : `, default ${setting.default}`;
  const description = `${setting.description.replaceAll('`', '')} (${setting.env}${preset})`;
  const option = new Option(`--${flagName(setting)} <value>`, description);
  // Told and completed; whether a value is one of them, the setting itself says, as it does of its variable.
  if (setting.kind.choices !== undefined) option.argChoices = [...setting.kind.choices];
  return option;
}

export function sourcesOf(command: Command): Sources {
  const flags: Record<string, string> = {};
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (option.long?.startsWith('--') && typeof value === 'string') flags[option.long.slice(2)] = value;
  }
  return { env: process.env, flags };
}

export function text(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

export function texts(flags: Flags, name: string): readonly string[] {
  const value = flags[name];
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : [];
}

export function count(flags: Flags, name: string): number | undefined {
  const value = flags[name];
  return typeof value === 'number' ? value : undefined;
}

/** As `durationFlag` takes it. */
export function shownDuration(ms: number): string {
  const units = [
    ['d', 24 * 3_600_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, unitMs] = units.find(([, one]) => ms % one === 0 && ms >= one) ?? ['ms', 1];
  return `${ms / unitMs}${unit}`;
}

/** For an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

export function wholeNumber(value: string): number {
  if (!/^[1-9]\d{0,14}$/.test(value)) throw new InvalidArgumentError('It is not a whole number above 0.');
  return Number(value);
}

/** Milliseconds. */
export function durationFlag(value: string): number {
  try {
    return durationMs(value);
  } catch (error) {
    if (error instanceof BadValue) throw new InvalidArgumentError(`It ${error.message}.`);
    throw error;
  }
}

/** What stands in the file that a flag names: a key on the command line would show to whoever lists processes. */
export async function secretIn(flag: string, file: string): Promise<string> {
  try {
    return (await readFile(file === '-' ? '/dev/stdin' : file, 'utf8')).trim();
  } catch (error) {
    throw new CommandError(`${flag}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** For the commands that show a table or a page where standard output is a terminal. */
export function jsonOption(command: Command): Command {
  return command.option('--json', 'NDJSON on a terminal, too');
}

/** Every filter of the API: two flags for each field, to ask for a value and to leave it out, and two for the time. */
export function filterOptions(command: Command): Command {
  for (const field of filterFields) command.addOption(filterOption(field, '--', 'only'));
  for (const field of filterFields) command.addOption(filterOption(field, '--not-', 'all but'));
  return command
    .option(
      '--sent-since <time>',
      'not sent before: 2h for two hours ago, 2026-02-22, 2026-02-22T17:42:05+0100',
      moment,
    )
    .option('--sent-until <time>', 'sent before, in the same forms', moment);
}

function filterOption({ name, noun, many, kind }: FilterField, prefix: string, which: string): Option {
  if (kind === 'words')
    return new Option(
      `${prefix}${name} <words>`,
      `${which} messages with these words, or "a phrase", in content or ids`,
    );
  const flag = `${prefix}${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)} <value>`;
  const option = new Option(flag, `${which} this ${noun}${many ? '; may be given several times' : ''}`);
  if (kind === 'group') option.choices(statusGroupNames);
  if (kind === 'group') return option.argParser(collectGroup);
  return many ? option.argParser(collect) : option;
}

function collectGroup(value: string, before: readonly string[] | undefined): readonly string[] {
  if (!statusGroupNames.some(name => name === value))
    throw new InvalidArgumentError(`Allowed choices are ${statusGroupNames.join(', ')}.`);
  return collect(value, before);
}

export function filterOf(flags: Flags): LogsFilter {
  const conditions = (flagOf: (name: string) => string): LogsConditions =>
    Object.fromEntries(
      filterFields.map(({ name, many }) => [name, many ? listIn(flags, flagOf(name)) : text(flags, flagOf(name))]),
    );
  return {
    ...conditions(name => name),
    not: conditions(name => `not${name.charAt(0).toUpperCase()}${name.slice(1)}`),
    ...rangeOf(dateIn(flags, 'sentSince'), dateIn(flags, 'sentUntil')),
  };
}

/** The API takes any, and finds nothing in one that has no moment in it: a person has to be told. */
function rangeOf(sentSince: Date | string | undefined, sentUntil: Date | string | undefined): LogsFilter {
  const [since, until] = [sentSince, sentUntil].map(date => (date instanceof Date ? +date : parseDateTime(date ?? '')));
  if (since !== undefined && until !== undefined) {
    if (until < since) throw new CommandError('--sent-until: the range ends before it begins with --sent-since');
    if (until === since) note('--sent-until: the range ends where it begins with --sent-since, so nothing is in it');
  }
  return { sentSince, sentUntil };
}

function listIn(flags: Flags, name: string): readonly string[] | undefined {
  const values = texts(flags, name);
  return values.length === 0 ? undefined : values;
}

/** A duration counts back from now; a date is the beginning of that day where the command runs. */
function moment(value: string): Date | string {
  if (/^\d+[a-z]+$/i.test(value)) return new Date(Date.now() - durationFlag(value));
  const day = startOfDay(value);
  if (day !== undefined) return new Date(day);
  if (parseDateTime(value) === undefined)
    throw new InvalidArgumentError(
      'It is not a duration (2h), a date (2026-02-22) or a date-time with an offset (2026-02-22T17:42:05+0100).',
    );
  return value;
}

function startOfDay(value: string): number | undefined {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const date = new Date(2000, month - 1, day);
  date.setFullYear(year, month - 1, day);
  return date.getMonth() === month - 1 && date.getDate() === day ? date.getTime() : undefined;
}

function dateIn(flags: Flags, name: string): Date | string | undefined {
  const value = flags[name];
  return value instanceof Date ? value : text(flags, name);
}

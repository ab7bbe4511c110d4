import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';

/** How the text of a setting becomes its value. `parse` throws `BadValue` on text that has none. */
export type Kind<T> = { readonly parse: (text: string) => T };

/** Why a text is no value; reads on after the text, as in `"80x" is not a port`. */
export class BadValue extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'BadValue';
  }
}

/** One row of the table of settings. */
export type Setting<T> = {
  readonly env: `SENTLOG_${string}`;
  readonly kind: Kind<T>;
  /** As it would be written; absent when there is none. */
  readonly default?: string;
  readonly description: string;
  /** Never shown. */
  readonly secret?: boolean;
};

function setting<T>(
  env: Setting<T>['env'],
  kind: Kind<T>,
  preset: string,
  description: string,
): Setting<T> & { readonly default: string } {
  return { env, kind, default: preset, description };
}

const address: Kind<string> = {
  parse: text => {
    if (isIP(text) === 0 && !/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text))
      throw new BadValue('is not an IP address or host name');
    return text;
  },
};

const path: Kind<string> = {
  parse: text => {
    if (text.trim() === '' || text.includes('\0')) throw new BadValue('is not a path');
    return resolve(text);
  },
};

function integer(min: number, max: number): Kind<number> {
  return {
    parse: text => {
      const value = Number(text);
      if (!/^\d{1,15}$/.test(text) || value < min || value > max)
        throw new BadValue(`is not a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const durationPattern = /^(\d{1,12})(ms|s|m|h|d)$/;

/** Milliseconds, written `500ms`, `90s`, `15m`, `48h` or `30d`. */
function duration(min: string, max: string): Kind<number> {
  const [minMs, maxMs] = [durationMs(min), durationMs(max)];
  return {
    parse: text => {
      const ms = durationMs(text);
      if (ms < minMs || ms > maxMs) throw new BadValue(`is not a duration from ${min} to ${max}`);
      return ms;
    },
  };
}

/** Throws `BadValue` when the text is not a duration such as `48h`. */
export function durationMs(text: string): number {
  const [, amount, unit] = durationPattern.exec(text) ?? [];
  const unitMs = Object.entries(unitsMs).find(([name]) => name === unit)?.[1];
  if (amount === undefined || unitMs === undefined) throw new BadValue('is not a duration (500ms, 90s, 15m, 48h, 30d)');
  return Number(amount) * unitMs;
}

function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    parse: text => {
      const value = values.find(one => one === text);
      if (value === undefined) throw new BadValue(`is not one of ${values.join(', ')}`);
      return value;
    },
  };
}

/** Web origins, separated by commas; none when empty. */
const origins: Kind<readonly string[]> = {
  parse: text => {
    const values = text.split(',').map(value => value.trim());
    if (text.trim() === '') return Object.freeze([]);
    for (const value of values)
      if (!/^https?:/.test(value) || !URL.canParse(value) || new URL(value).origin !== value)
        throw new BadValue('is not a list of origins (https://example.com,http://localhost:3000)');
    return Object.freeze(values);
  },
};

/** Addresses and networks (`10.0.0.0/8`), separated by commas; none when empty. */
const networks: Kind<readonly string[]> = {
  parse: text => {
    const values = text.split(',').map(value => value.trim());
    if (text.trim() === '') return Object.freeze([]);
    if (!values.every(isNetwork))
      throw new BadValue('is not a list of addresses or networks (10.0.0.1,192.168.0.0/16)');
    return Object.freeze(values);
  },
};

function isNetwork(text: string): boolean {
  const [, ip = '', prefix = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  return isIP(ip) !== 0 && Number(prefix) <= (isIP(ip) === 4 ? 32 : 128);
}

/** Where a server is: an http or https address, without a slash at its end. */
const serverUrl: Kind<string> = {
  parse: text => {
    if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new BadValue('is not an http or https address');
    return text.replace(/\/+$/, '');
  },
};

/** Any printable ASCII without spaces: what a header can carry. */
const credential: Kind<string> = {
  parse: text => {
    if (!/^[\x21-\x7e]+$/.test(text)) throw new BadValue('is not a key');
    return text;
  },
};

/** More segments than this cannot be told apart in the store's key filter. */
const segmentsMax = 4000;

/** What a server can be told. Everything that is said of a setting anywhere is said here. */
export const serverSettings = Object.freeze({
  host: setting('SENTLOG_HOST', address, '127.0.0.1', 'Address to listen on; `0.0.0.0` for every one of the machine'),
  port: setting('SENTLOG_PORT', integer(0, 65_535), '8080', 'Port to listen on; `0` takes a free one'),
  dataDir: setting(
    'SENTLOG_DATA_DIR',
    path,
    './data',
    'Folder of the log and the accounts; one server holds it at a time',
  ),
  retentionMs: setting(
    'SENTLOG_RETENTION',
    duration('1s', '3650d'),
    '48h',
    'How long a message is kept, counted from `sentAt`',
  ),
  rateLimit: setting(
    'SENTLOG_RATE_LIMIT',
    integer(1, 1_000_000),
    '120',
    'Requests a minute to `GET /messenger/1/logs`, for each account that has no limit of its own',
  ),
  readRateLimit: setting(
    'SENTLOG_READ_RATE_LIMIT',
    integer(1, 1_000_000),
    '600',
    'Requests a minute to the other ways to read, for each account',
  ),
  pageRateLimit: setting(
    'SENTLOG_PAGE_RATE_LIMIT',
    integer(1, 1_000_000),
    '1200',
    'Requests a minute that the web page makes, for each account; they count in no other limit',
  ),
  authFailureLimit: setting(
    'SENTLOG_AUTH_FAILURE_LIMIT',
    integer(1, 1_000_000),
    '30',
    'Failed authentications a minute from one address',
  ),
  durability: setting(
    'SENTLOG_DURABILITY',
    choice('full', 'os'),
    'full',
    '`full` survives a crash of the machine; `os`, faster, only one of the process',
  ),
  segmentMessages: setting(
    'SENTLOG_SEGMENT_MESSAGES',
    integer(1000, 1_000_000),
    '250000',
    'Messages after which a segment of the log is closed',
  ),
  segmentAgeMs: setting(
    'SENTLOG_SEGMENT_AGE',
    duration('1s', '30d'),
    '1h',
    'Time after which a segment of the log is closed; retention drops whole segments',
  ),
  readerThreads: setting('SENTLOG_READER_THREADS', integer(1, 64), '1', 'Threads that read the log'),
  corsOrigins: setting(
    'SENTLOG_CORS_ORIGINS',
    origins,
    '',
    'Web origins whose pages may call the API, separated by commas; none when empty',
  ),
  trustedProxies: setting(
    'SENTLOG_TRUSTED_PROXIES',
    networks,
    '',
    'Proxies whose `X-Forwarded-For` is believed: addresses or networks, separated by commas',
  ),
  logLevel: setting(
    'SENTLOG_LOG_LEVEL',
    choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'info',
    'Least severity that the log on standard error shows',
  ),
  shutdownTimeoutMs: setting(
    'SENTLOG_SHUTDOWN_TIMEOUT',
    duration('0s', '1h'),
    '8s',
    'How long uploads and exports may go on when the server is told to stop',
  ),
  tokenTtlMs: setting(
    'SENTLOG_TOKEN_TTL',
    duration('1s', '365d'),
    '1h',
    'How long an OAuth 2 access token is good for',
  ),
  sessionTtlMs: setting('SENTLOG_SESSION_TTL', duration('1s', '365d'), '12h', 'How long a session is good for'),
});

/** What the commands that talk to a running server can be told. */
export const clientSettings = Object.freeze({
  url: setting('SENTLOG_URL', serverUrl, 'http://127.0.0.1:8080', 'Server that `query`, `export` and `import` talk to'),
  key: {
    env: 'SENTLOG_KEY',
    kind: credential,
    description: 'API key of `query`, `export` and `import`',
    secret: true,
  } satisfies Setting<string>,
});

type Value<S> = S extends Setting<infer T> ? T : never;

/** How the server was told to run. Frozen. */
export type Config = { readonly [K in keyof typeof serverSettings]: Value<(typeof serverSettings)[K]> };

/** Which server a command talks to, and how it proves who it is. */
export type ClientConfig = { readonly url: string; readonly key?: string };

/** Where settings are read from. A flag goes before the variable of the same setting. */
export type Sources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By the name of the flag without its dashes: `data-dir`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
};

/** A setting that is not known or has no such value; `message` is one line for the operator. */
export class SettingError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SettingError';
  }
}

/** Reads every setting of a server. Throws `SettingError` for the first thing that is wrong. */
export function loadConfig(sources: Sources): Config {
  refuseUnknown(sources.env);
  const s = serverSettings;
  const config: Config = {
    host: read(s.host, sources),
    port: read(s.port, sources),
    dataDir: read(s.dataDir, sources),
    retentionMs: read(s.retentionMs, sources),
    rateLimit: read(s.rateLimit, sources),
    readRateLimit: read(s.readRateLimit, sources),
    pageRateLimit: read(s.pageRateLimit, sources),
    authFailureLimit: read(s.authFailureLimit, sources),
    durability: read(s.durability, sources),
    segmentMessages: read(s.segmentMessages, sources),
    segmentAgeMs: read(s.segmentAgeMs, sources),
    readerThreads: read(s.readerThreads, sources),
    corsOrigins: read(s.corsOrigins, sources),
    trustedProxies: read(s.trustedProxies, sources),
    logLevel: read(s.logLevel, sources),
    shutdownTimeoutMs: read(s.shutdownTimeoutMs, sources),
    tokenTtlMs: read(s.tokenTtlMs, sources),
    sessionTtlMs: read(s.sessionTtlMs, sources),
  };
  const segments = Math.ceil(config.retentionMs / config.segmentAgeMs);
  if (segments > segmentsMax)
    throw new SettingError(
      `${s.segmentAgeMs.env} is too short for ${s.retentionMs.env}: the log would have ${segments} segments, and can have ${segmentsMax}`,
    );
  return Object.freeze(config);
}

/** The version of this program. */
export function programVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  assert(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
  return String(manifest.version);
}

/** Only the data folder, for the commands that change accounts. */
export function loadDataDir(sources: Sources): string {
  refuseUnknown(sources.env);
  return read(serverSettings.dataDir, sources);
}

/** Only how long messages are kept, for the command that copies them. */
export function loadRetentionMs(sources: Sources): number {
  refuseUnknown(sources.env);
  return read(serverSettings.retentionMs, sources);
}

/** Throws `SettingError` for the first thing that is wrong. */
export function loadClientConfig(sources: Sources): ClientConfig {
  refuseUnknown(sources.env);
  const url = read(clientSettings.url, sources);
  const key = readOptional(clientSettings.key, sources);
  return Object.freeze({ url, ...(key !== undefined && { key }) });
}

/** The configuration as it may be logged. */
export function maskedConfig(config: Config): Readonly<Record<string, unknown>> {
  const rows: readonly (readonly [string, Setting<unknown>])[] = Object.entries(serverSettings);
  const hidden = new Set(rows.filter(([, row]) => row.secret).map(([name]) => name));
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, hidden.has(name) ? '***' : value]));
}

/** `data-dir` for `SENTLOG_DATA_DIR`. */
export function flagName(setting: Setting<unknown>): string {
  return setting.env.slice('SENTLOG_'.length).toLowerCase().replaceAll('_', '-');
}

/** The README's table of settings, in Markdown. */
export function settingsTable(): string {
  const rows: readonly Setting<unknown>[] = [...Object.values(serverSettings), ...Object.values(clientSettings)];
  const lines = rows.map(row => {
    const preset = row.default === undefined || row.default === '' ? '' : `\`${row.default}\``;
    return `| \`${row.env}\` | \`--${flagName(row)}\` | ${preset} | ${row.description} |`;
  });
  return ['| variable | flag | default | what it does |', '|---|---|---|---|', ...lines].join('\n');
}

function read<T>(setting: Setting<T> & { readonly default: string }, sources: Sources): T {
  return readOptional(setting, sources) ?? setting.kind.parse(setting.default);
}

function readOptional<T>(setting: Setting<T>, { env, flags }: Sources): T | undefined {
  const flag = flags[flagName(setting)];
  const text = flag ?? env[setting.env];
  if (text === undefined) return undefined;
  try {
    return setting.kind.parse(text);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const name = flag === undefined ? setting.env : `--${flagName(setting)}`;
    throw new SettingError(`${name}: ${setting.secret ? 'the value' : JSON.stringify(text)} ${error.message}`);
  }
}

/** A mistyped name would leave its setting at the default, unnoticed. */
function refuseUnknown(env: Sources['env']): void {
  const known: readonly string[] = [...Object.values(serverSettings), ...Object.values(clientSettings)].map(
    row => row.env,
  );
  for (const name of Object.keys(env))
    if (name.startsWith('SENTLOG_') && !known.includes(name))
      throw new SettingError(`${name} is not a setting; the nearest one is ${closest(name, known)}`);
}

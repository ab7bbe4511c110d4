import { closest } from 'fastest-levenshtein';
import { databaseFault, databaseSettings } from './database-settings.ts';
import { limits } from './limits.ts';
import { mirrorFault, mirrorSettings } from './mirror-settings.ts';
import { recordingSettings } from './recording-settings.ts';
import { sendingFault, sendingSettings } from './sending-settings.ts';
import {
  address,
  BadValue,
  choice,
  credential,
  duration,
  integer,
  isOfService,
  networks,
  optional,
  origins,
  path,
  type Setting,
  secretTexts,
  serverUrl,
  setting,
} from './setting-kinds.ts';

export type { Setting } from './setting-kinds.ts';

const { segmentsMax } = limits;

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
  ...databaseSettings,
  secrets: {
    ...setting(
      'SENTLOG_SECRET',
      secretTexts(limits.secretCharsMin, limits.secretsMax),
      '',
      'Secret that keys of others are kept encrypted under, 32 characters or more; to change it, the new one and the old one, separated by a comma',
    ),
    secret: true,
  },
  ...sendingSettings,
  ...recordingSettings,
  retentionMs: setting(
    'SENTLOG_RETENTION',
    duration('1s', '3650d'),
    '48h',
    'How long a message is kept, counted from `sentAt`',
  ),
  compatibleRetentionMs: setting(
    'SENTLOG_COMPATIBLE_RETENTION',
    optional(duration('1s', '3650d')),
    '',
    'How far back `GET /messenger/1/logs` goes at most, `48h` to be as the vendor; as far as is kept when empty',
  ),
  sweepHoldMs: setting(
    'SENTLOG_SWEEP_HOLD',
    duration('0s', '365d'),
    '24h',
    'How long a sweep waits that would drop more than half of the log, or of what accounts have that keep theirs equally long, after the clock leapt by an hour or more, a long pause of the server among that; `0s` says that the clock is right',
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
    'How sure an answer of 200 is, in a data folder: `full` survives a crash of the machine; `os`, faster, only one of the process',
  ),
  segmentMessages: setting(
    'SENTLOG_SEGMENT_MESSAGES',
    integer(1000, 1_000_000),
    '250000',
    'Messages, or twice as many reports, after which a segment of the log is closed',
  ),
  segmentAgeMs: setting(
    'SENTLOG_SEGMENT_AGE',
    duration('1s', '30d'),
    '1h',
    'Time after which a segment of the log is closed; retention drops whole segments',
  ),
  merge: setting(
    'SENTLOG_MERGE',
    choice('off', 'on'),
    'off',
    'Whether closed segments, but for the youngest, are merged into volumes, which take less room. Versions before this one refuse a folder on which it was ever `on`',
  ),
  readerThreads: setting('SENTLOG_READER_THREADS', integer(1, 64), '1', 'Threads that read the log'),
  metricsTokens: {
    ...setting(
      'SENTLOG_METRICS_TOKEN',
      secretTexts(limits.secretCharsMin, limits.secretsMax),
      '',
      'Token of 32 characters or more without which `/metrics` is refused (`Authorization: Bearer …`); open to whoever reaches the port when empty, with numbers in the place of the names of mirrors, pages, servers and files. With it `/health/ready` names what is damaged, away, paused or behind, and never without. Two, separated by a comma, while one replaces the other',
    ),
    secret: true,
  },
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
  ...mirrorSettings,
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
    store: read(s.store, sources),
    poolSize: read(s.poolSize, sources),
    replicas: read(s.replicas, sources),
    replicaLagMs: read(s.replicaLagMs, sources),
    partitionMs: read(s.partitionMs, sources),
    sealAfterMs: read(s.sealAfterMs, sources),
    statementTimeoutMs: read(s.statementTimeoutMs, sources),
    secrets: read(s.secrets, sources),
    carrier: read(s.carrier, sources),
    graphUrl: read(s.graphUrl, sources),
    graphVersion: read(s.graphVersion, sources),
    webhookVerifyToken: read(s.webhookVerifyToken, sources),
    pushNetworks: read(s.pushNetworks, sources),
    content: read(s.content, sources),
    retentionMs: read(s.retentionMs, sources),
    compatibleRetentionMs: read(s.compatibleRetentionMs, sources),
    sweepHoldMs: read(s.sweepHoldMs, sources),
    rateLimit: read(s.rateLimit, sources),
    readRateLimit: read(s.readRateLimit, sources),
    pageRateLimit: read(s.pageRateLimit, sources),
    authFailureLimit: read(s.authFailureLimit, sources),
    durability: read(s.durability, sources),
    segmentMessages: read(s.segmentMessages, sources),
    segmentAgeMs: read(s.segmentAgeMs, sources),
    merge: read(s.merge, sources),
    readerThreads: read(s.readerThreads, sources),
    metricsTokens: read(s.metricsTokens, sources),
    corsOrigins: read(s.corsOrigins, sources),
    trustedProxies: read(s.trustedProxies, sources),
    logLevel: read(s.logLevel, sources),
    shutdownTimeoutMs: read(s.shutdownTimeoutMs, sources),
    tokenTtlMs: read(s.tokenTtlMs, sources),
    sessionTtlMs: read(s.sessionTtlMs, sources),
    mirrorFrom: read(s.mirrorFrom, sources),
    mirrorKey: read(s.mirrorKey, sources),
    mirrorKeyFile: read(s.mirrorKeyFile, sources),
    mirrorName: read(s.mirrorName, sources),
    mirrorAccount: read(s.mirrorAccount, sources),
    mirrorRequestsPerMinute: read(s.mirrorRequestsPerMinute, sources),
    mirrorSinceMs: read(s.mirrorSinceMs, sources),
    mirrorHosts: read(s.mirrorHosts, sources),
  };
  const fault =
    mirrorFault(config) ??
    sendingFault(config) ??
    (config.store === undefined ? folderFault(config) : databaseFault(config));
  if (fault !== undefined) throw new SettingError(fault);
  return Object.freeze(config);
}

function folderFault({ replicas, retentionMs, sealAfterMs, segmentAgeMs }: Config): string | undefined {
  const s = serverSettings;
  if (sealAfterMs !== undefined)
    return `${s.sealAfterMs.env} needs ${s.store.env}: a data folder packs by ${s.merge.env}`;
  if (replicas.length > 0) return `${s.replicas.env} needs ${s.store.env}: a data folder has no replicas`;
  const segments = Math.ceil(retentionMs / segmentAgeMs);
  if (segments <= segmentsMax) return undefined;
  return `${s.segmentAgeMs.env} is too short for ${s.retentionMs.env}: the log would have ${segments} segments, and can have ${segmentsMax}`;
}

/** Only where accounts are kept, for the commands that change them. */
export function loadPlace(sources: Sources): Pick<Config, 'dataDir' | 'store'> {
  refuseUnknown(sources.env);
  return { dataDir: read(serverSettings.dataDir, sources), store: read(serverSettings.store, sources) };
}

export function loadGraphPlace(sources: Sources): { readonly url: string; readonly version: string } {
  refuseUnknown(sources.env);
  return { url: read(serverSettings.graphUrl, sources), version: read(serverSettings.graphVersion, sources) };
}

/** Only what keys of others are kept encrypted under. */
export function loadSecrets(sources: Sources): Config['secrets'] {
  refuseUnknown(sources.env);
  return read(serverSettings.secrets, sources);
}

/** Only which messages are kept and how they are laid out, for the commands that need it. */
export function loadLogTerms(sources: Sources): Pick<Config, 'retentionMs' | 'partitionMs' | 'segmentAgeMs'> {
  refuseUnknown(sources.env);
  return {
    retentionMs: read(serverSettings.retentionMs, sources),
    partitionMs: read(serverSettings.partitionMs, sources),
    segmentAgeMs: read(serverSettings.segmentAgeMs, sources),
  };
}

/** Throws `SettingError` for the first thing that is wrong. */
export function loadClientConfig(sources: Sources): ClientConfig {
  refuseUnknown(sources.env);
  const url = read(clientSettings.url, sources);
  const key = readOptional(clientSettings.key, sources);
  return Object.freeze({ url, ...(key !== undefined && { key }) });
}

/** What a server is asked with that was given these tokens. Throws `SettingError` as `loadConfig` does. */
export function loadMetricsTokens(sources: Sources): readonly string[] {
  return read(serverSettings.metricsTokens, sources);
}

/** The configuration as it may be logged. */
export function maskedConfig(config: Config): Readonly<Record<string, unknown>> {
  const rows: Readonly<Record<string, Setting<unknown>>> = serverSettings;
  const masked = (value: unknown, mask?: (text: string) => string): unknown => {
    if (Array.isArray(value)) return value.map(one => masked(one, mask));
    return typeof value === 'string' ? (mask?.(value) ?? '***') : value;
  };
  const shown = (name: string, value: unknown) => (rows[name]?.secret ? masked(value, rows[name].kind.mask) : value);
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, shown(name, value)]));
}

/** `data-dir` for `SENTLOG_DATA_DIR`. */
export function flagName(setting: Setting<unknown>): string {
  return setting.env.slice('SENTLOG_'.length).toLowerCase().replaceAll('_', '-');
}

/** The table of settings in `docs/settings.md`, in Markdown. */
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
  const [flag, variable] = [flags[flagName(setting)], env[setting.env]];
  const text = flag ?? (isOfService(setting.env, variable) ? undefined : variable);
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
  for (const [name, value] of Object.entries(env))
    if (name.startsWith('SENTLOG_') && !known.includes(name) && !isOfService(name, value))
      throw new SettingError(`${name} is not a setting; the nearest one is ${closest(name, known)}`);
}

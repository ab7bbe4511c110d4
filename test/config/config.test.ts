import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  clientSettings,
  flagName,
  loadClientConfig,
  loadConfig,
  loadPlace,
  loadSecrets,
  maskedConfig,
  type Setting,
  SettingError,
  serverSettings,
  settingsTable,
} from '../../src/config.ts';
import { fromEnv, refusal } from './loading.ts';

const rows: readonly Setting<unknown>[] = [...Object.values(serverSettings), ...Object.values(clientSettings)];
const serverRows: readonly Setting<unknown>[] = Object.values(serverSettings);

describe('loadConfig', () => {
  test('nothing given → the defaults', () => {
    expect(fromEnv({ PATH: '/bin', HOME: '/' })).toEqual({
      host: '127.0.0.1',
      port: 8080,
      dataDir: resolve('data'),
      store: undefined,
      poolSize: 10,
      replicas: [],
      replicaLagMs: 1000,
      partitionMs: undefined,
      statementTimeoutMs: 10_000,
      secrets: [],
      metricsTokens: [],
      carrier: 'none',
      content: 'any',
      graphUrl: 'https://graph.facebook.com',
      graphVersion: 'v25.0',
      webhookVerifyToken: undefined,
      pushNetworks: [],
      retentionMs: 172_800_000,
      sweepHoldMs: 86_400_000,
      rateLimit: 120,
      pageRateLimit: 1200,
      readRateLimit: 600,
      authFailureLimit: 30,
      durability: 'full',
      merge: 'off',
      segmentMessages: 250_000,
      segmentAgeMs: 3_600_000,
      readerThreads: 1,
      corsOrigins: [],
      trustedProxies: [],
      logLevel: 'info',
      shutdownTimeoutMs: 8_000,
      tokenTtlMs: 3_600_000,
      sessionTtlMs: 43_200_000,
      mirrorFrom: undefined,
      mirrorKey: undefined,
      mirrorKeyFile: undefined,
      mirrorName: 'infobip',
      mirrorAccount: 'default',
      mirrorRequestsPerMinute: 60,
      mirrorSinceMs: 172_800_000,
      mirrorHosts: ['api.infobip.com'],
    });
  });

  test('a flag and its variable → the flag holds', () => {
    const config = loadConfig({ env: { SENTLOG_PORT: '1', SENTLOG_DATA_DIR: '/a' }, flags: { port: '2' } });
    expect(config).toMatchObject({ port: 2, dataDir: '/a' });
  });

  test('addresses and networks of proxies → taken', () => {
    expect(fromEnv({ SENTLOG_TRUSTED_PROXIES: '10.0.0.1, 192.168.0.0/16,::1,fd00::/8' }).trustedProxies).toEqual([
      '10.0.0.1',
      '192.168.0.0/16',
      '::1',
      'fd00::/8',
    ]);
  });

  test('loaded → frozen, lists too', () => {
    const config = fromEnv({ SENTLOG_CORS_ORIGINS: 'https://a.example, http://localhost:3000' });
    expect([config, config.corsOrigins].map(Object.isFrozen)).toEqual([true, true]);
    expect(config.corsOrigins).toEqual(['https://a.example', 'http://localhost:3000']);
  });

  test.each([
    ['SENTLOG_PROT', 'SENTLOG_PORT'],
    ['SENTLOG_RETENTION_HOURS', 'SENTLOG_RETENTION'],
    ['SENTLOG_DATADIR', 'SENTLOG_DATA_DIR'],
    ['SENTLOG_', 'SENTLOG_URL'],
  ])('unknown %s → refused, naming %s', (name, nearest) => {
    const line = `${name} is not a setting; the nearest one is ${nearest}`;
    expect(refusal(() => fromEnv({ [name]: '1' }))).toBe(line);
    expect(refusal(() => loadPlace({ env: { [name]: '1' }, flags: {} }))).toBe(line);
    expect(refusal(() => loadClientConfig({ env: { [name]: '1' }, flags: {} }))).toBe(line);
  });

  test('any unknown name under the prefix → refused by its name', () => {
    const known = new Set<string>(rows.map(row => row.env));
    const name = fc.stringMatching(/^SENTLOG_[A-Z_0-9]{0,20}$/).filter(one => !known.has(one));
    fc.assert(
      fc.property(name, one => {
        expect(refusal(() => fromEnv({ [one]: '' }))).toContain(`${one} is not`);
      }),
    );
  });

  test.each([
    [{ SENTLOG_PORT: '80x' }, 'SENTLOG_PORT: "80x" is not a whole number from 0 to 65535'],
    [{ SENTLOG_PORT: '65536' }, 'SENTLOG_PORT: "65536" is not a whole number from 0 to 65535'],
    [{ SENTLOG_PORT: '' }, 'SENTLOG_PORT: "" is not a whole number from 0 to 65535'],
    [{ SENTLOG_PORT: '1e3' }, 'SENTLOG_PORT: "1e3" is not a whole number from 0 to 65535'],
    [{ SENTLOG_HOST: 'http://x' }, 'SENTLOG_HOST: "http://x" is not an IP address or host name'],
    [{ SENTLOG_DATA_DIR: ' ' }, 'SENTLOG_DATA_DIR: " " is not a path'],
    [{ SENTLOG_RETENTION: '48' }, 'SENTLOG_RETENTION: "48" is not a duration (500ms, 90s, 15m, 48h, 30d, 2w)'],
    [{ SENTLOG_RETENTION: '999ms' }, 'SENTLOG_RETENTION: "999ms" is not a duration from 1s to 3650d'],
    [{ SENTLOG_RETENTION: '-1h' }, 'SENTLOG_RETENTION: "-1h" is not a duration (500ms, 90s, 15m, 48h, 30d, 2w)'],
    [{ SENTLOG_DURABILITY: 'none' }, 'SENTLOG_DURABILITY: "none" is not one of full, os'],
    [
      { SENTLOG_SEGMENT_MESSAGES: '1000001' },
      'SENTLOG_SEGMENT_MESSAGES: "1000001" is not a whole number from 1000 to 1000000',
    ],
    [
      { SENTLOG_LOG_LEVEL: 'verbose' },
      'SENTLOG_LOG_LEVEL: "verbose" is not one of fatal, error, warn, info, debug, trace, silent',
    ],
    [
      { SENTLOG_TRUSTED_PROXIES: '10.0.0.0/8,proxy' },
      'SENTLOG_TRUSTED_PROXIES: "10.0.0.0/8,proxy" is not a list of addresses or networks (10.0.0.1,192.168.0.0/16)',
    ],
    [
      { SENTLOG_TRUSTED_PROXIES: '10.0.0.0/33' },
      'SENTLOG_TRUSTED_PROXIES: "10.0.0.0/33" is not a list of addresses or networks (10.0.0.1,192.168.0.0/16)',
    ],
    [
      { SENTLOG_CORS_ORIGINS: 'https://a.example/' },
      'SENTLOG_CORS_ORIGINS: "https://a.example/" is not a list of origins (https://example.com,http://localhost:3000)',
    ],
    [
      { SENTLOG_CORS_ORIGINS: '*' },
      'SENTLOG_CORS_ORIGINS: "*" is not a list of origins (https://example.com,http://localhost:3000)',
    ],
    [
      { SENTLOG_RETENTION: '365d', SENTLOG_SEGMENT_AGE: '1m' },
      'SENTLOG_SEGMENT_AGE is too short for SENTLOG_RETENTION: the log would have 525600 segments, and can have 4000',
    ],
  ])('%j → refused with one line', (env, line) => {
    expect(refusal(() => fromEnv(env))).toBe(line);
  });

  test('bad flag → refused by the name of the flag', () => {
    const line = refusal(() => loadConfig({ env: { SENTLOG_PORT: '1' }, flags: { port: 'x' } }));
    expect(line).toBe('--port: "x" is not a whole number from 0 to 65535');
  });

  test('any text for any setting → taken, or refused in one line by the name of the setting', () => {
    fc.assert(
      fc.property(fc.constantFrom(...serverRows), fc.string({ unit: 'binary' }), (row, text) => {
        try {
          fromEnv({ [row.env]: text });
        } catch (error) {
          expect(error).toBeInstanceOf(SettingError);
          expect(error instanceof Error && error.message).toMatch(/^SENTLOG_[^\n]*$/);
          expect(error instanceof Error && error.message).toContain(row.env);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('any duration → its milliseconds', () => {
    const unit = fc.constantFrom(['s', 1000], ['m', 60_000], ['h', 3_600_000], ['d', 86_400_000]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3650 }), unit, (amount, [name, ms]) => {
        const env = { SENTLOG_RETENTION: `${amount}${name}`, SENTLOG_SEGMENT_AGE: '30d' };
        expect(fromEnv(env).retentionMs).toBe(amount * Number(ms));
      }),
    );
  });

  test.each(['127.0.0.1', '0.0.0.0', '::1', '::', 'localhost', 'log.example.com'])('host %s → taken', host => {
    expect(fromEnv({ SENTLOG_HOST: host }).host).toBe(host);
  });
});

describe('variables that Kubernetes gives for services', () => {
  /** As "Accessing the Service" of its documents names them, for a service of that name. */
  const ofService = (name: string, ports: readonly (readonly [name: string, port: number])[]) => {
    const prefix = name.toUpperCase().replaceAll('-', '_');
    const first = ports[0]?.[1];
    const env: Record<string, string> = {
      [`${prefix}_SERVICE_HOST`]: '10.0.0.11',
      [`${prefix}_SERVICE_PORT`]: String(first),
      [`${prefix}_PORT`]: `tcp://10.0.0.11:${first}`,
    };
    for (const [portName, port] of ports) {
      env[`${prefix}_SERVICE_PORT_${portName.toUpperCase()}`] = String(port);
      env[`${prefix}_PORT_${port}_TCP`] = `tcp://10.0.0.11:${port}`;
      env[`${prefix}_PORT_${port}_TCP_PROTO`] = 'tcp';
      env[`${prefix}_PORT_${port}_TCP_PORT`] = String(port);
      env[`${prefix}_PORT_${port}_TCP_ADDR`] = '10.0.0.11';
    }
    return env;
  };

  test.each(['sentlog', 'sentlog-web', 'sentlog-store', 'sentlog-port'])(
    'service %s → as if they were not there',
    name => {
      const env = ofService(name, [
        ['http', 8080],
        ['metrics', 9090],
      ]);
      expect(fromEnv(env)).toEqual(fromEnv({}));
      expect(fromEnv({ ...env, SENTLOG_RATE_LIMIT: '7' }).rateLimit).toBe(7);
      expect(loadConfig({ env, flags: { port: '9' } }).port).toBe(9);
    },
  );

  test.each([
    [{ SENTLOG_PORT: '9000' }, 9000],
    [{ SENTLOG_SERVICE_PORT: '80', SENTLOG_PORT: '9001' }, 9001],
  ])('%j → the port that was set', (env, port) => {
    expect(fromEnv(env).port).toBe(port);
  });

  test.each([{ SENTLOG_PORT: 'http://10.0.0.1:80' }, { SENTLOG_SERVICE_HOSTS: 'a' }, { SENTLOG_WEB_PORT: '80' }])(
    '%j → refused: no service makes it',
    env => {
      expect(refusal(() => fromEnv(env))).toContain(Object.keys(env)[0]);
    },
  );
});

describe('loadClientConfig', () => {
  test('nothing given → the server on this machine, no key', () => {
    expect(loadClientConfig({ env: {}, flags: {} })).toEqual({ url: 'http://127.0.0.1:8080' });
  });

  test('address with a slash at its end → without it', () => {
    const config = loadClientConfig({ env: { SENTLOG_KEY: 'k' }, flags: { url: 'https://log.example/base/' } });
    expect(config).toEqual({ url: 'https://log.example/base', key: 'k' });
  });

  test('key that no header can carry → refused without showing it', () => {
    const line = refusal(() => loadClientConfig({ env: { SENTLOG_KEY: 'se cret\n' }, flags: {} }));
    expect(line).toBe('SENTLOG_KEY: the value is not a key: `sentlog keys create` makes one');
  });

  test('address that is none → refused', () => {
    expect(refusal(() => loadClientConfig({ env: { SENTLOG_URL: 'localhost:8080' }, flags: {} }))).toBe(
      'SENTLOG_URL: "localhost:8080" is not an http or https address',
    );
  });
});

describe('secrets', () => {
  const [one, other] = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210'];

  test('one, or two while one replaces the other → taken, and masked where they are shown', () => {
    expect(fromEnv({ SENTLOG_SECRET: one }).secrets).toEqual([one]);
    const config = fromEnv({ SENTLOG_SECRET: `${other}, ${one}` });
    expect(config.secrets).toEqual([other, one]);
    expect(maskedConfig(config)).toMatchObject({ secrets: ['***', '***'] });
    expect(loadSecrets({ env: { SENTLOG_SECRET: one }, flags: {} })).toEqual([one]);
  });

  test.each([
    ['hunter2', 'has less than 32 characters'],
    [`${one},hunter2`, 'has less than 32 characters'],
    [`${one} ${other}`, 'has other than printable characters'],
    [`${one},${one}`, 'names a secret twice'],
    [`${one},${other},${one}x`, 'names more than 2 secrets'],
  ])('%s → refused without repeating it', (text, reason) => {
    expect(refusal(() => fromEnv({ SENTLOG_SECRET: text }))).toBe(`SENTLOG_SECRET: the value ${reason}`);
  });
});

describe('a mirror', () => {
  const SENTLOG_SECRET = '0123456789abcdef0123456789abcdef';
  const whole = { SENTLOG_MIRROR_FROM: 'https://x.api.infobip.com/', SENTLOG_MIRROR_KEY: 'k1', SENTLOG_SECRET };

  test('where from and a key → taken, and the key masked where it is shown', () => {
    const config = fromEnv(whole);
    expect(config).toMatchObject({ mirrorFrom: 'https://x.api.infobip.com', mirrorKey: 'k1' });
    expect(maskedConfig(config)).toMatchObject({ mirrorKey: '***' });
  });

  test.each([
    [{ SENTLOG_MIRROR_KEY: '' }, 'SENTLOG_MIRROR_FROM needs either SENTLOG_MIRROR_KEY or SENTLOG_MIRROR_KEY_FILE'],
    [
      { SENTLOG_MIRROR_KEY_FILE: '/k' },
      'SENTLOG_MIRROR_FROM needs either SENTLOG_MIRROR_KEY or SENTLOG_MIRROR_KEY_FILE',
    ],
    [{ SENTLOG_SECRET: '' }, 'SENTLOG_MIRROR_FROM needs SENTLOG_SECRET: its key is kept encrypted'],
    [{ SENTLOG_MIRROR_SINCE: '49h' }, 'SENTLOG_MIRROR_SINCE: "49h" is not a duration from 1m to 48h'],
    [{ SENTLOG_MIRROR_KEY: 'a b' }, 'SENTLOG_MIRROR_KEY: the value is not a key: it has no spaces'],
  ])('%j → refused with one line', (env, line) => {
    expect(refusal(() => fromEnv({ ...whole, ...env }))).toBe(line);
  });
});

describe('the table of settings', () => {
  test('every row → a default that is a value, a description, a name and a flag of its own', () => {
    for (const row of rows) {
      if (row.default !== undefined) expect(() => row.kind.parse(row.default ?? ''), row.env).not.toThrow();
      expect(row.description).not.toBe('');
      expect(row.description).not.toContain('|');
    }
    expect(new Set(rows.map(row => row.env)).size).toBe(rows.length);
    expect(new Set(rows.map(flagName)).size).toBe(rows.length);
  });

  test('masked → names every setting', () => {
    expect(Object.keys(maskedConfig(fromEnv({})))).toEqual(Object.keys(serverSettings));
  });

  test('docs/settings.md → holds the table that the settings print', () => {
    const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');
    const [, shown] = /<!-- settings:start -->([\s\S]*?)<!-- settings:end -->/.exec(page) ?? [];
    expect(shown?.trim()).toBe(settingsTable());
  });
});

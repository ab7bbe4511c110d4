import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Compile } from 'typebox/schema';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { chartSettings } from '../../scripts/chart-settings.ts';
import { loadConfig, serverSettings } from '../../src/config.ts';
import { root } from './image.ts';

const chart = join(root, 'deploy/helm');
const read = (file: string) => readFileSync(join(chart, file), 'utf8');
const values = parse(read('values.yaml'));
const isAllowed = (changes: object) => Compile(JSON.parse(read('values.schema.json'))).Check({ ...values, ...changes });
const known = new Set(Object.values(serverSettings).map(({ env }) => env));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('values → allowed as they stand, and over a database; what cannot be is not', () => {
  expect(isAllowed({})).toBe(true);
  const database = { existingSecret: 'log', key: 'url' };
  expect(isAllowed({ store: database, replicas: 3 })).toBe(true);
  expect(isAllowed({ env: { SENTLOG_RETENTION: '30d', SENTLOG_SEGMENT_MESSAGES: '1000000' } })).toBe(true);
  for (const changes of [
    { replicas: 2 },
    { replicas: 0, store: database },
    { replica: 1 },
    { env: { RETENTION: '30d' } },
    // Helm would write it as 1e+06, which no setting is.
    { env: { SENTLOG_SEGMENT_MESSAGES: 1_000_000 } },
    { env: { SENTLOG_SEGMENT_MESSAGES: 5 } },
    { env: { SENTLOG_RETENTON: '30d' } },
    { env: { SENTLOG_RETENTION: '30days' } },
    { env: { SENTLOG_RATE_LIMIT: 'many' } },
    { env: { SENTLOG_LOG_LEVEL: 'verbose' } },
    // What YAML makes of on.
    { env: { SENTLOG_MERGE: true } },
    // Of the chart's own: another port is one that its probes do not know.
    { env: { SENTLOG_PORT: '9090' } },
    { env: { SENTLOG_HOST: '127.0.0.1' } },
    { env: { SENTLOG_DATA_DIR: '/data' } },
    { env: { SENTLOG_STORE: 'postgres://log' } },
    { service: { type: 'ClusterIP', port: '80' } },
    { resources: { request: { cpu: '1' } } },
    { resources: { limits: { memory: '1 GB' } } },
    { envFromSecrets: [''] },
    { ingress: { host: 'https://log.example.com' } },
    { volume: { size: '20' } },
    { image: { repository: '' } },
    { terminationGracePeriodSeconds: 5 },
  ])
    expect(isAllowed(changes), JSON.stringify(changes)).toBe(false);
});

test('the schema → has each setting that is not the chart’s own, by the form of its texts', () => {
  expect(JSON.parse(read('values.schema.json')).properties.env).toEqual(JSON.parse(JSON.stringify(chartSettings())));
  for (const { env, kind, default: preset } of Object.values(serverSettings))
    if ('pattern' in kind && kind.pattern !== undefined && preset !== '') expect(preset, env).toMatch(kind.pattern);
});

test('the port → one value, for the service, the container, its probes, its variable and who scrapes', () => {
  const server = read('templates/server.yaml');
  const service = read('templates/service.yaml');
  expect(server.match(/\{\{ \.Values\.service\.port( \| quote)? \}\}/g)).toHaveLength(3);
  expect(server).toMatch(/name: SENTLOG_PORT\n\s+value: \{\{ \.Values\.service\.port \| quote \}\}/);
  expect(server).toMatch(/name: http\n\s+containerPort: \{\{ \.Values\.service\.port \}\}/);
  expect(service).toMatch(/port: \{\{ \.Values\.service\.port \}\}\n\s+targetPort: http/);
  expect(server.match(/port: http \}/g)).toHaveLength(3);
  expect(server + service).not.toMatch(/\b8080\b/);
});

test('templates → every variable is a setting, every value that they ask for is there', () => {
  for (const name of readdirSync(join(chart, 'templates'))) {
    const text = read(join('templates', name));
    for (const [variable] of text.matchAll(/\bSENTLOG_[A-Z_]+/g)) expect(known, name).toContain(variable);
    for (const [, path = ''] of text.matchAll(/\.Values\.([\w.]+)/g)) {
      const value = path
        .split('.')
        .reduce((inside: unknown, key) => (inside as Record<string, unknown>)[key], values as unknown);
      expect(value, `${name}: ${path}`).toBeDefined();
    }
    expect(text.match(/\{\{/g)?.length).toBe(text.match(/\}\}/g)?.length);
  }
  const { shutdownTimeoutMs } = loadConfig({ env: {}, flags: {} });
  expect(values.terminationGracePeriodSeconds * 1000).toBeGreaterThan(shutdownTimeoutMs);
  expect(parse(read('Chart.yaml'))).toMatchObject({ appVersion: version, version });
});

/** Of those that the schema has: the kind that Helm is given, by the path of the value. */
function typeOf(path: string): unknown {
  const schema = path
    .split('.')
    .reduce((inside, key) => inside?.properties?.[key] ?? inside?.items, JSON.parse(read('values.schema.json')));
  return schema?.type;
}

test('texts → quoted, so that YAML makes no number, truth or alias of what may stand there', () => {
  expect(
    isAllowed({ ingress: { enabled: true, host: '*.example.com' }, store: { existingSecret: '7', key: 'on' } }),
  ).toBe(true);
  for (const name of readdirSync(join(chart, 'templates')).filter(file => file.endsWith('.yaml'))) {
    for (const [, action = ''] of read(join('templates', name)).matchAll(/\{\{-? (.*?) -?\}\}/g)) {
      if (/^(if|with|range|else|end\b|\$\w+ :=|toYaml )/.test(action) || action.includes('ternary "Deployment"'))
        continue;
      const path = /^\.Values\.([\w.]+)$/.exec(action)?.[1];
      const isNumber = path !== undefined && typeOf(path) === 'integer';
      expect(isNumber || action.endsWith(' | quote'), `${name}: ${action}`).toBe(true);
    }
  }
});

const helm = (...args: string[]) => spawnSync('helm', args, { encoding: 'utf8' });
const hasHelm = helm('version').error === undefined;

describe('where helm is', () => {
  test.each([
    [[], 'StatefulSet', 2],
    [['--set', 'store.existingSecret=log,replicas=3'], 'Deployment', 2],
    [
      ['--set', 'ingress.enabled=true,ingress.tlsSecret=tls,env.SENTLOG_RETENTION=30d,envFromSecrets={s}'],
      'StatefulSet',
      3,
    ],
  ])('%j → renders a %s and what belongs to it', (args, kind, count) => {
    if (!hasHelm) return expect(helm('version').error).toMatchObject({ code: 'ENOENT' });
    const { stdout, stderr } = helm('template', 'log', chart, ...args);
    expect(stderr).toBe('');
    const rendered = parseAllDocuments(stdout).map(document => document.toJS());
    expect(rendered).toHaveLength(count);
    const server = rendered.find(one => one.kind === kind);
    expect(server.spec.template.spec.containers[0]).toMatchObject({ image: `sentlog:${version}` });
    expect(server.spec.template.metadata.labels).toMatchObject(server.spec.selector.matchLabels);
    return expect(helm('lint', chart, ...args).stdout).toContain('0 chart(s) failed');
  });

  test.each([
    ['log', 'log'],
    ['123', 'sentlog-123'],
    ['a.b', 'a-b'],
    ['x'.repeat(53), 'x'.repeat(52)],
    [`${'x'.repeat(51)}-7`, 'x'.repeat(51)],
  ])('a release %s → everything is called %s, as Kubernetes takes it', (release, name) => {
    if (!hasHelm) return expect(helm('version').error).toMatchObject({ code: 'ENOENT' });
    const { stdout } = helm('template', release, chart, '--set', 'ingress.enabled=true');
    const rendered = parseAllDocuments(stdout).map(document => document.toJS());
    expect(rendered.map(({ metadata }) => metadata.name)).toEqual([name, name, name]);
    const { StatefulSet, Ingress } = Object.fromEntries(rendered.map(one => [one.kind, one]));
    expect(StatefulSet.spec.serviceName).toBe(name);
    return expect(Ingress.spec.rules[0].http.paths[0].backend.service.name).toBe(name);
  });

  test('values that the schema forbids → refused', () => {
    if (!hasHelm) return expect(helm('version').error).toMatchObject({ code: 'ENOENT' });
    return expect(helm('template', 'log', chart, '--set', 'replicas=2').stderr).toContain('replicas');
  });

  test('a number as a variable → refused by its name; as a text → as it was given', () => {
    if (!hasHelm) return expect(helm('version').error).toMatchObject({ code: 'ENOENT' });
    const million = 'env.SENTLOG_SEGMENT_MESSAGES=1000000';
    expect(helm('template', 'log', chart, '--set', million).stderr).toContain('SENTLOG_SEGMENT_MESSAGES');
    return expect(helm('template', 'log', chart, '--set-string', million).stdout).toContain('value: "1000000"');
  });
});

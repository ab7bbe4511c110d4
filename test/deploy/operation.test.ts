import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, serverSettings } from '../../src/config.ts';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import { durationMs } from '../../src/setting-kinds.ts';
import { root } from './image.ts';

const read = (file: string) => readFileSync(join(root, 'deploy', file), 'utf8');

type Metric = { readonly name: string; readonly labels: readonly string[] };

/** Every metric that a server has, with replicas and mirrors, and its labels. */
async function metricsOfServer(): Promise<ReadonlyMap<string, readonly string[]>> {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  metrics.tell(undefined);
  const told = new Map<string, readonly string[]>([['up', ['instance', 'job']]]);
  for (const metric of registry.getMetricsAsArray() as unknown as readonly Declared[]) {
    const labels = [...(metric.labelNames ?? []), 'instance', 'job'];
    const suffixes = metric.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) told.set(metric.name + suffix, suffix === '_bucket' ? [...labels, 'le'] : labels);
  }
  return told;
}

type Declared = { readonly name: string; readonly type?: string; readonly labelNames?: readonly string[] };

/** Throws for what Prometheus could not parse. */
function metricsIn(expression: string): readonly Metric[] {
  const found: Metric[] = [];
  const text = (node: { from: number; to: number }) => expression.slice(node.from, node.to);
  parser.parse(expression).iterate({
    enter: node => {
      if (node.type.isError) throw new SyntaxError(`${expression} cannot be parsed at ${node.from}`);
      if (node.name !== 'VectorSelector') return;
      const labels: string[] = [];
      node.node.cursor().iterate(inner => {
        if (inner.name === 'LabelName') labels.push(text(inner));
      });
      const name = node.node.getChild('Identifier');
      if (name === null) throw new SyntaxError(`${expression} selects by no name`);
      found.push({ name: text(name), labels });
    },
  });
  return found;
}

async function check(expressions: readonly string[]): Promise<void> {
  const known = await metricsOfServer();
  for (const expression of expressions) {
    const metrics = metricsIn(expression);
    for (const { name, labels } of metrics) {
      expect([...known.keys()], expression).toContain(name);
      expect(known.get(name), expression).toEqual(expect.arrayContaining([...labels]));
    }
  }
}

describe('alert rules', () => {
  type Rule = {
    readonly alert: string;
    readonly expr: string;
    readonly for?: string;
    readonly labels: { readonly severity: string };
    readonly annotations: { readonly summary: string };
  };
  const { groups }: { groups: readonly { readonly rules: readonly Rule[] }[] } = parse(read('prometheus-alerts.yaml'));
  const rules = groups.flatMap(group => group.rules);

  test('each → parses as PromQL, on metrics and labels that a server has', async () => {
    expect(rules.length).toBeGreaterThan(8);
    await check(rules.map(rule => rule.expr));
    for (const { for: held = '1m' } of rules) expect(durationMs(held)).toBeGreaterThan(0);
  });

  test('each → names, in what it says, only labels that its expression leaves', () => {
    for (const { expr, annotations } of rules) {
      const by = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(', ');
      for (const [, label = ''] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
        if (by !== undefined) expect(by, annotations.summary).toContain(label);
    }
    expect(new Set(rules.map(rule => rule.alert)).size).toBe(rules.length);
  });

  test('what does not parse, or no server has → found', async () => {
    await expect(check(['sum(sentlog_store_up'])).rejects.toThrow('cannot be parsed');
    await expect(check(['sentlog_store_upp == 0'])).rejects.toThrow();
    await expect(check(['sentlog_store_up{nam="x"} == 0'])).rejects.toThrow();
  });
});

test('dashboard → every panel parses as PromQL, on metrics that a server has, and none lies over another', async () => {
  type Panel = {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  };
  const { panels }: { panels: readonly Panel[] } = JSON.parse(read('grafana-dashboard.json'));
  // Grafana puts these in before it asks.
  const asked = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
  await check(panels.flatMap(panel => panel.targets.map(target => asked(target.expr))));
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)}:${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});

describe('unit of systemd', () => {
  const lines = read('sentlog.service')
    .split('\n')
    .filter(line => /^[A-Z]\w*=/.test(line))
    .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
  const values = (name: string) => lines.filter(([one]) => one === name).map(([, value]) => value);

  test('its settings → are known, and it waits for what was taken', () => {
    const env = Object.fromEntries(values('Environment').map(value => value.split('=', 2)));
    expect(Object.keys(env)).toEqual([serverSettings.dataDir.env]);
    expect(values('ExecStart')).toEqual(['/usr/bin/env sentlog serve']);
    const { shutdownTimeoutMs } = loadConfig({ env: {}, flags: {} });
    expect(durationMs(values('TimeoutStopSec')[0] ?? '')).toBeGreaterThan(shutdownTimeoutMs);
  });

  test('where systemd is → it finds nothing wrong', () => {
    const verified = spawnSync('systemd-analyze', ['verify', join(root, 'deploy/sentlog.service')], {
      encoding: 'utf8',
    });
    // It also tells of other units of the machine that it came by.
    const ours = (verified.stderr ?? '').split('\n').filter(line => line.includes('sentlog.service'));
    expect(ours).toEqual([]);
  });
});

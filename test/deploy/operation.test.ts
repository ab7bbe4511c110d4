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

type Metric = {
  readonly name: string;
  readonly labels: readonly string[];
  /** The function that it is asked for with, where that is one over time. */
  readonly over?: string | undefined;
};

/** As a server begins that sends. */
function newRegistry(): Registry {
  const registry = new Registry();
  const sends = { sent: 0, failed: 0, again: 0, unknown: 0 };
  const pushes = { pushed: 0, failed: 0, dropped: 0 };
  const lostEvents = { 'too large': 0, 'not kept': 0 };
  createMetrics(registry).tell(undefined, { sending: { paused: [], sends, pushes, lostEvents } });
  return registry;
}

/** Every metric that a server has, with replicas and mirrors, and its labels. */
function metricsOf(registry: Registry): ReadonlyMap<string, readonly string[]> {
  const told = new Map<string, readonly string[]>([['up', ['instance', 'job']]]);
  for (const metric of registry.getMetricsAsArray() as unknown as readonly Declared[]) {
    const labels = [...(metric.labelNames ?? []), 'instance', 'job'];
    const suffixes = metric.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) told.set(metric.name + suffix, suffix === '_bucket' ? [...labels, 'le'] : labels);
  }
  return told;
}

type Declared = {
  readonly name: string;
  readonly type?: string;
  readonly labelNames?: readonly string[];
  /** Its series, by their labels. */
  readonly hashMap?: object;
};

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
      const call = node.node.parent?.name === 'MatrixSelector' ? node.node.parent.parent?.parent : undefined;
      const over = call?.getChild('FunctionIdentifier');
      found.push({ name: text(name), labels, over: over ? text(over) : undefined });
    },
  });
  return found;
}

/** Where labels tell what nobody knows before it is there. */
const unforeseen = new Set(['sentlog_http_requests_total', 'sentlog_http_request_duration_seconds']);

function check(expressions: readonly string[]): void {
  const registry = newRegistry();
  const known = metricsOf(registry);
  const declared = registry.getMetricsAsArray() as unknown as readonly Declared[];
  for (const expression of expressions) {
    for (const { name, labels, over } of metricsIn(expression)) {
      expect([...known.keys()], expression).toContain(name);
      expect(known.get(name), expression).toEqual(expect.arrayContaining([...labels]));
      if (over === undefined) continue;
      const metric = declared.find(one => name === one.name || name.replace(/_(?:bucket|sum|count)$/, '') === one.name);
      // What falls would count as begun anew.
      const isRate = /^(?:rate|irate|increase)$/.test(over);
      expect(isRate, expression).toBe(metric?.type === 'counter' || metric?.type === 'histogram');
      // What is there only from its first event on has no rate then, and the event is in none.
      if (isRate && !unforeseen.has(metric?.name ?? ''))
        expect(Object.keys(metric?.hashMap ?? {}), `${name} is there from the start`).not.toEqual([]);
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

  test('each → parses as PromQL, on metrics and labels that a server has', () => {
    expect(rules.length).toBeGreaterThan(8);
    check(rules.map(rule => rule.expr));
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

  test.each([
    ['does not parse', 'sum(sentlog_store_up'],
    ['no server has', 'sentlog_store_upp == 0'],
    ['no server has as a label', 'sentlog_store_up{nam="x"} == 0'],
    ['may fall, as a rate', 'increase(sentlog_mirror_gap_seconds[1h]) > 0'],
    ['starts anew with a process, as a figure', 'max_over_time(sentlog_sends_total[1h]) > 0'],
    ['is not there until something happened, as a rate', 'rate(sentlog_mirror_recorded_total[1h]) > 0'],
  ])('what %s → found', (_, expression) => {
    expect(() => check([expression])).toThrow();
  });
});

test('dashboard → every panel parses as PromQL, on metrics that a server has, and none lies over another', () => {
  type Panel = {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  };
  const { panels }: { panels: readonly Panel[] } = JSON.parse(read('grafana-dashboard.json'));
  // Grafana puts these in before it asks.
  const asked = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
  check(panels.flatMap(panel => panel.targets.map(target => asked(target.expr))));
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

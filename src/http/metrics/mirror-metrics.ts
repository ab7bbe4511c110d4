import { Counter, Gauge, type Registry } from 'prom-client';
import type { MirrorFigures } from '../../mirror/figures.ts';

/** Takes the figures of this moment into what `/metrics` tells, a series for each mirror. */
export function mirrorMetrics(registers: Registry[]): (figures: readonly MirrorFigures[]) => void {
  const labelNames = ['mirror'];
  const gauges = gaugesOf.map(({ name, help, of }) => {
    const gauge = new Gauge({ name: `sentlog_mirror_${name}`, help, labelNames, registers });
    return { gauge, of };
  });
  const counters = countersOf.map(({ name, help, of }) => {
    const counter = new Counter({ name: `sentlog_mirror_${name}`, help, labelNames, registers });
    return { counter, of };
  });
  return figures => {
    for (const { gauge } of gauges) gauge.reset();
    for (const { counter } of counters) counter.reset();
    for (const one of figures) {
      const labels = { mirror: one.mirror.name };
      for (const { gauge, of } of gauges) gauge.set(labels, of(one) ?? Number.NaN);
      for (const { counter, of } of counters) counter.inc(labels, of(one));
    }
  };
}

type Figure<T> = { readonly name: string; readonly help: string; readonly of: (figures: MirrorFigures) => T };

const gaugesOf: readonly Figure<number | undefined>[] = [
  {
    name: 'running',
    help: '0 while the mirror is paused, by somebody or because its key is refused',
    of: one => (one.mirror.pause === undefined ? 1 : 0),
  },
  {
    name: 'in_trouble',
    help: '1 while the other side gives no answer',
    of: one => (one.state === 'in trouble' ? 1 : 0),
  },
  {
    name: 'lag_seconds',
    help: 'How far the newest that is read is behind now',
    of: one => one.lagMs && one.lagMs / 1000,
  },
  {
    name: 'status_lag_seconds',
    help: 'How long ago messages without a final status were asked for, of those that have waited longest',
    of: one => one.statusLagMs && one.statusLagMs / 1000,
  },
  {
    name: 'late_messages',
    help: 'Messages without a final status that were not asked for within 90 seconds',
    of: one => one.statusesLate,
  },
  {
    name: 'rests_until_timestamp_seconds',
    help: 'When the other side is asked again that asked for a pause, or gave no answer',
    of: one => one.restsUntil && one.restsUntil / 1000,
  },
  { name: 'requests_used', help: 'Requests of the last minute', of: one => one.requestsUsed },
  { name: 'requests_left', help: 'What is left of the requests a minute', of: one => one.requestsLeft },
  {
    name: 'pending_messages',
    help: 'Messages without a final status, which are asked for again',
    of: one => one.followed,
  },
  {
    name: 'gaps',
    help: 'Ranges of time that were not read before they left the other side',
    of: one => one.gaps.length,
  },
  {
    name: 'gap_seconds',
    help: 'How long these ranges are together',
    of: one => one.gaps.reduce((sum, { from, until }) => sum + (until - from) / 1000, 0),
  },
];

const countersOf: readonly Figure<number>[] = [
  { name: 'recorded_total', help: 'Messages taken over', of: one => one.recorded },
  { name: 'changed_total', help: 'Changes of messages taken over', of: one => one.changed },
  { name: 'refused_total', help: 'Messages of which nothing could be made', of: one => one.refused },
  {
    name: 'flawed_total',
    help: 'Messages of which something could not be taken, such as a state of an unknown group, each time they were seen',
    of: one => one.flawed,
  },
  {
    name: 'unsettled_total',
    help: 'Messages that left the other side before their status was asked for a last time',
    of: one => one.unsettled,
  },
];

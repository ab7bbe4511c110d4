import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { deliveryErrors, statusGroupNames } from '../../domain/registry.ts';
import type { MirrorFigures } from '../../mirror/figures.ts';
import type { Committed, StoreObserver, StoreReads, StoreStats } from '../../store/store.ts';
import type { HeldSweep } from '../../sweeper.ts';
import type { SendingFigures } from '../parts.ts';
import { mirrorMetrics } from './mirror-metrics.ts';
import { sendingMetrics } from './sending-metrics.ts';

const requestSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
const commitSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export type RequestOutcome = {
  readonly method: string;
  /** The pattern of the route, never the path itself: ids would make a series each. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
};

const recordOutcomes = ['recorded', 'updated', 'unchanged', 'waiting', 'rejected'] as const;
export type RecordCounts = Readonly<Record<(typeof recordOutcomes)[number], number>>;

/** What `/metrics` tells. */
export type Metrics = {
  /** Counts what the store commits; hand it to the engine. `note` and `damaged` are passed on to `listener`. */
  storeObserver(listener: Pick<StoreObserver, 'note' | 'damaged'>): StoreObserver;
  request(outcome: RequestOutcome): void;
  records(counts: RecordCounts): void;
  /** Codes and content types that were taken though this version has no entry for them, by kind. */
  unregistered(counts: Readonly<Record<string, number>>): void;
  /** Contents that were taken though they are not as the vendor's schema has them. */
  flawedContents(count: number): void;
  streamListeners(count: number): void;
  streamEvents(count: number): void;
  /** A listener did not read, and was cut off. */
  streamDropped(): void;
  /** Takes over the figures of this moment; `undefined` when the store cannot tell its own. */
  tell(stats: StoreStats | undefined, also?: AlsoTold): void;
  /** Prometheus text, with the figures that were told last. */
  text(): Promise<string>;
  readonly contentType: string;
};

/** What is not the store's to tell. */
export type AlsoTold = {
  readonly mirrors?: readonly MirrorFigures[];
  readonly sending?: SendingFigures;
  readonly heldSweep?: HeldSweep;
  readonly lostAccounts?: number;
};

export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  const requests = new Histogram({
    name: 'sentlog_http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer, by route, method and status',
    labelNames: ['route', 'method', 'status'],
    buckets: requestSeconds,
    registers,
  });
  const requestCount = new Counter({
    name: 'sentlog_http_requests_total',
    help: 'Requests answered, by route, method and status',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const store = storeMetrics(registers);
  const heldMessages = new Gauge({
    name: 'sentlog_sweep_held_messages',
    help: 'Messages that a sweep would drop, and does not while it is not known whether the clock is right',
    registers,
  });
  const lost = new Gauge({
    name: 'sentlog_lost_accounts',
    help: 'Accounts that the log, mirrors or senders have, and that are not there',
    registers,
  });
  const tellMirrors = mirrorMetrics(registers);
  const tellSending = sendingMetrics(registers);
  return {
    storeObserver: listener => ({
      committed: store.committed,
      damaged: part => listener.damaged(part),
      note: event => listener.note(event),
    }),
    request({ route, method, status, durationMs }) {
      const labels = { route, method, status: String(status) };
      requestCount.inc(labels);
      requests.observe(labels, durationMs / 1000);
    },
    ...recordMetrics(registers),
    ...streamMetrics(registers),
    tell(stats, { mirrors = [], sending, heldSweep, lostAccounts = 0 } = {}) {
      store.tell(stats);
      lost.set(lostAccounts);
      heldMessages.set(heldSweep?.past ?? 0);
      tellMirrors(mirrors);
      tellSending(sending);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function streamMetrics(registers: Registry[]) {
  const name = (rest: string) => `sentlog_stream_${rest}`;
  const listeners = new Gauge({ name: name('listeners'), help: 'Listeners to the stream', registers });
  const events = new Counter({ name: name('events_total'), help: 'Events sent to listeners', registers });
  const dropped = new Counter({
    name: name('dropped_total'),
    help: 'Listeners that did not read, and were cut off',
    registers,
  });
  return {
    streamListeners: (count: number) => listeners.set(count),
    streamEvents: (count: number) => events.inc(count),
    streamDropped: () => dropped.inc(),
  };
}

function storeMetrics(registers: Registry[]) {
  const gauge = (name: string, help: string) => new Gauge({ name: `sentlog_store_${name}`, help, registers });
  const counter = (name: string, help: string) => new Counter({ name: `sentlog_store_${name}`, help, registers });
  const messages = counter('committed_messages_total', 'New messages that became durable');
  const reports = counter('committed_reports_total', 'Reports that became durable');
  const cameTo = outcomeMetrics(registers);
  const commits = new Histogram({
    name: 'sentlog_store_commit_duration_seconds',
    help: 'Time to make a group of records durable',
    buckets: commitSeconds,
    registers,
  });
  const up = gauge('up', '1 when the store answers');
  const writable = gauge('writable', '0 while records cannot be stored, on a full disk for example');
  const queued = gauge('queued_records', 'Records taken but not yet durable');
  const segments = gauge('segments', 'Segments of the log');
  const held = gauge('messages', 'Messages held');
  const heldReports = gauge('reports', 'Reports held');
  const waiting = gauge('waiting_reports', 'Reports that wait for their messages');
  const droppedReports = counter(
    'waiting_reports_dropped_total',
    'Reports that waited too long for their messages, or did not fit them',
  );
  const bytes = gauge('bytes', 'Bytes on disk');
  const free = gauge('free_bytes', 'Bytes free on the disk of the data folder; 0 where the log is in a database');
  const oldest = gauge(
    'oldest_message_timestamp_seconds',
    'When the oldest message held was sent; 0 when there is none',
  );
  const damaged = new Gauge({
    name: 'sentlog_store_damaged',
    help: 'Parts of the log that were set aside because they are damaged',
    labelNames: ['name'],
    registers,
  });
  const away = awayMetric(registers);
  const reads = readMetrics(registers);
  return {
    committed(group: Committed) {
      commits.observe(group.durationMs / 1000);
      messages.inc(group.messages);
      reports.inc(group.reports);
      cameTo(group.outcomes);
    },
    tell(stats: StoreStats | undefined) {
      up.set(stats === undefined ? 0 : 1);
      writable.set(stats === undefined || stats.writeFailure !== undefined ? 0 : 1);
      if (stats === undefined) return;
      queued.set(stats.queuedRecords);
      segments.set(stats.segments);
      held.set(stats.messages);
      heldReports.set(stats.reports);
      waiting.set(stats.waiting.reports);
      droppedReports.reset();
      droppedReports.inc(stats.waiting.dropped);
      bytes.set(stats.bytes);
      free.set(stats.freeBytes ?? 0);
      oldest.set((stats.oldestSentAt ?? 0) / 1000);
      damaged.reset();
      for (const { name } of stats.damaged) damaged.set({ name }, 1);
      away(stats.away);
      if (stats.reads !== undefined) reads(stats.reads);
    },
  };
}

function awayMetric(registers: Registry[]) {
  const accounts = new Gauge({
    name: 'sentlog_store_away_accounts',
    help: 'Accounts that a part of the log holds up which cannot be served: a server that it lies on, or partitions that are missing',
    labelNames: ['name'],
    registers,
  });
  return (away: StoreStats['away'] = []) => {
    accounts.reset();
    for (const part of away) accounts.set({ name: part.name }, part.accounts ?? 0);
  };
}

/** What comes of records. */
function recordMetrics(registers: Registry[]): Pick<Metrics, 'records' | 'unregistered' | 'flawedContents'> {
  const records = new Counter({
    name: 'sentlog_records_total',
    help: 'Records taken over HTTP, by what came of them',
    labelNames: ['outcome'],
    registers,
  });
  // Counters that are asked for by their rate are there from the start: what it begins with is not in a rate.
  for (const outcome of recordOutcomes) records.inc({ outcome }, 0);
  const unregistered = new Counter({
    name: 'sentlog_unregistered_total',
    help: 'Records with a status, an error, a content type or further fields of a code that this version does not know, kept as they came',
    labelNames: ['kind'],
    registers,
  });
  const flawed = new Counter({
    name: 'sentlog_flawed_contents_total',
    help: "Contents that were taken though they are not as the vendor's schema has them for their type",
    registers,
  });
  return {
    records(counts) {
      for (const [outcome, count] of Object.entries(counts)) if (count > 0) records.inc({ outcome }, count);
    },
    unregistered(counts) {
      for (const [kind, count] of Object.entries(counts)) if (count > 0) unregistered.inc({ kind }, count);
    },
    flawedContents: count => flawed.inc(count),
  };
}

/** What messages come to. */
function outcomeMetrics(registers: Registry[]) {
  const deliveries = new Counter({
    name: 'sentlog_deliveries_total',
    help: 'Messages that came to a status of this group, each time one does',
    labelNames: ['group'],
    registers,
  });
  for (const group of statusGroupNames) deliveries.inc({ group }, 0);
  const failures = new Counter({
    name: 'sentlog_failures_total',
    help: 'Messages that came to be undeliverable, expired or rejected, by their error; `unregistered` for those that have no entry here',
    labelNames: ['error'],
    registers,
  });
  for (const error of [...deliveryErrors.map(({ name }) => name), 'unregistered']) failures.inc({ error }, 0);
  return ({ groups, errors }: Committed['outcomes']) => {
    for (const [group, count] of groups) deliveries.inc({ group }, count);
    for (const [error, count] of errors) failures.inc({ error }, count);
  };
}

/** Only where there are replicas: else they would be series of nothing. */
function readMetrics(registers: Registry[]) {
  const counted = new Counter({
    name: 'sentlog_store_reads_total',
    help: 'Reads answered, by the place: the primary, or a read replica',
    labelNames: ['place'],
    registers,
  });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `sentlog_store_replica_${name}`, help, labelNames: ['replica'], registers });
  const used = gauge('used', '0 while a read replica is not used: it is behind, or does not answer');
  const lag = gauge('lag_seconds', 'Age of the newest thing that a read replica is known to show');
  return ({ primary, replicas }: StoreReads) => {
    counted.reset();
    counted.inc({ place: 'primary' }, primary);
    for (const { name, reads, isUsed, behindMs } of replicas) {
      counted.inc({ place: name }, reads);
      used.set({ replica: name }, isUsed ? 1 : 0);
      if (behindMs !== undefined) lag.set({ replica: name }, behindMs / 1000);
    }
  };
}

import { Counter, Gauge, type Registry } from 'prom-client';
import type { HealthDetails } from '../document/operation-schemas.ts';
import type { SendingFigures } from '../parts.ts';

/** Takes the figures of this moment into what `/metrics` tells. Series stay absent where nothing is sent. */
export function sendingMetrics(registers: Registry[]): (figures: SendingFigures | undefined) => void {
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: `sentlog_${name}`, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, label: L) =>
    new Counter<L>({ name: `sentlog_${name}`, help, labelNames: [label], registers });
  const messages = gauge('outbox_messages', 'Messages on their way, by where they are', ['state']);
  const parked = gauge('outbox_parked_events', "Events of Meta's webhooks on messages that are not known yet", ['of']);
  const untold = gauge('outbox_untold_changes', 'Changes that the log has not been told of yet', ['of']);
  const reports = gauge('outbox_reports', 'Reports that wait to be fetched, or to be pushed', ['to']);
  const paused = gauge('sender_paused', '1 for each page that cannot send now, by the reason', ['sender', 'reason']);
  const sends = counter('sends_total', 'What came of attempts to send since the start', 'outcome');
  const pushes = counter('report_pushes_total', 'What came of reports that were pushed since the start', 'outcome');
  const lost = counter(
    'meta_events_lost_total',
    "Proven events of Meta's webhooks that were not taken since the start: they are too large, or cannot be kept",
    'reason',
  );
  return figures => {
    for (const one of [messages, parked, untold, reports, paused, sends, pushes, lost]) one.reset();
    if (figures === undefined) return;
    for (const { sender, reason } of figures.paused) paused.set({ sender, reason }, 1);
    for (const [outcome, count] of Object.entries(figures.sends)) sends.inc({ outcome }, count);
    for (const [outcome, count] of Object.entries(figures.pushes)) pushes.inc({ outcome }, count);
    for (const [reason, count] of Object.entries(figures.lostEvents)) lost.inc({ reason }, count);
    const { outbox } = figures;
    if (outbox === undefined) return;
    const { scheduled, queued, sending: claimed, unknown } = outbox;
    for (const [state, count] of Object.entries({ scheduled, queued, claimed, unknown }))
      messages.set({ state }, count);
    parked.set({ of: 'meta' }, outbox.parked);
    untold.set({ of: 'log' }, outbox.untold);
    reports.set({ to: 'fetch' }, outbox.openReports);
    reports.set({ to: 'push' }, outbox.pushes);
  };
}

/** What whoever runs the server is told of what is on its way. */
export function outboxOf(figures: SendingFigures | undefined): HealthDetails['outbox'] {
  if (figures?.outbox === undefined) return undefined;
  const { scheduled, queued, sending: claimed, unknown, parked: parkedEvents } = figures.outbox;
  return { scheduled, queued, claimed, unknown, parkedEvents };
}

import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import { type SimulatedServer, serveInfobip } from '../../simulator/server.ts';
import { addSlot, slotMs, slotOf, type TrafficOptions } from '../../simulator/traffic.ts';
import { WebhookTraffic } from '../../simulator/webhook-traffic.ts';
import { Random } from './random.ts';

const key = 'demo-key-of-the-simulated-infobip';
const pastMs = 48 * 3_600_000;
/** What was and what comes is of one scale: a present that is busier than any hour before looks like a fault. */
const traffic: TrafficOptions = {
  seed: 'mirrored',
  messagesPerSecond: 0.4,
  pace: 1,
  late: { share: 0.02, msMax: 60_000 },
};

/** How often it is looked whether there is something to tell those who subscribed. */
const tellMs = 200;

/**
 * An Infobip on this machine, with two days of messages, more as time goes by, and bad moments now and then. It tells those
 * who subscribed what becomes of them.
 */
export async function startInfobip(signal: AbortSignal): Promise<SimulatedServer> {
  const infobip = new SimulatedInfobip({ seed: 'demo', clock: Date.now, keys: [key] });
  const webhooks = new WebhookTraffic({
    random: new Random('demo webhooks'),
    delayMsMax: tellMs,
    post: (body, event) => infobip.subscriptions.tell(event, body, fetch),
  });
  const now = slotOf(Date.now());
  const told: Pick<SimulatedInfobip, 'add'> = {
    add(message) {
      infobip.add(message);
      webhooks.add(message, now);
    },
  };
  for (let slot = now - pastMs; slot < now; slot += slotMs) addSlot(told, slot, traffic);
  infobip.faults = { unavailable: 0.02, cut: 0.01, lost: 0.01, slow: 0.05 };
  goOn(told, now, signal);
  tellOn(webhooks, signal);
  return serveInfobip(infobip);
}

async function goOn(infobip: Pick<SimulatedInfobip, 'add'>, from: number, signal: AbortSignal): Promise<void> {
  for (let slot = from; !signal.aborted; slot += slotMs) {
    addSlot(infobip, slot, traffic);
    await wait(Math.max(0, slot + slotMs - Date.now()), undefined, { signal }).catch(() => undefined);
  }
}

async function tellOn(webhooks: WebhookTraffic, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await webhooks.until(Date.now());
    await wait(tellMs, undefined, { signal }).catch(() => undefined);
  }
}

/** What tells `sentlog serve` to mirror it. A secret that is set already is kept. */
export function mirrorSettings(url: string): Readonly<Record<string, string>> {
  const secret = process.env.SENTLOG_SECRET ?? randomBytes(32).toString('base64');
  return { SENTLOG_SECRET: secret, SENTLOG_MIRROR_FROM: url, SENTLOG_MIRROR_KEY: key, SENTLOG_MIRROR_NAME: 'demo' };
}

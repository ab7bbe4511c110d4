import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import { type SimulatedServer, serveInfobip } from '../../simulator/server.ts';
import { addSlot, slotMs, slotOf, type TrafficOptions } from '../../simulator/traffic.ts';

const key = 'demo-key-of-the-simulated-infobip';
const pastMs = 48 * 3_600_000;
const past: TrafficOptions = { seed: 'mirrored past', messagesPerSecond: 0.2, pace: 1 };
const live: TrafficOptions = {
  seed: 'mirrored live',
  messagesPerSecond: 3,
  pace: 0.1,
  late: { share: 0.02, msMax: 60_000 },
};

/** An Infobip on this machine, with two days of messages, more as time goes by, and bad moments now and then. */
export async function startInfobip(signal: AbortSignal): Promise<SimulatedServer> {
  const infobip = new SimulatedInfobip({ seed: 'demo', clock: Date.now, keys: [key] });
  const now = slotOf(Date.now());
  for (let slot = now - pastMs; slot < now; slot += slotMs) addSlot(infobip, slot, past);
  infobip.faults = { unavailable: 0.02, cut: 0.01, lost: 0.01, slow: 0.05 };
  goOn(infobip, now, signal);
  return serveInfobip(infobip);
}

async function goOn(infobip: SimulatedInfobip, from: number, signal: AbortSignal): Promise<void> {
  for (let slot = from; !signal.aborted; slot += slotMs) {
    addSlot(infobip, slot, live);
    await wait(Math.max(0, slot + slotMs - Date.now()), undefined, { signal }).catch(() => undefined);
  }
}

/** What tells `sentlog serve` to mirror it. A secret that is set already is kept. */
export function mirrorSettings(url: string): Readonly<Record<string, string>> {
  const secret = process.env.SENTLOG_SECRET ?? randomBytes(32).toString('base64');
  return { SENTLOG_SECRET: secret, SENTLOG_MIRROR_FROM: url, SENTLOG_MIRROR_KEY: key, SENTLOG_MIRROR_NAME: 'demo' };
}

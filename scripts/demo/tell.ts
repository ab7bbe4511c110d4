import { setTimeout as wait } from 'node:timers/promises';
import { add, emptyTally, type Recorder, type Tally } from './recorder.ts';
import type { Schedule } from './schedule.ts';
import { type Arrival, liveTraffic, pastTraffic, slotArrivals } from './traffic.ts';

const pastMs = 48 * 3_600_000;
/** The oldest message is not to leave the log while the past is being told. */
const marginMs = 60_000;
const tickMs = 250;
/** Fewer, larger requests: each waits for the disk. */
const pastSlotsPerRequest = 36;

/** When the slot of the present begins that a moment lies in. */
export const presentOf = (at: number) => floorTo(at, liveTraffic.slotMs);

/** Tells the past up to `until`; what will still be reported of it stays in the schedule. `onShare` hears how much is told. */
export async function tellPast(
  record: Recorder,
  schedule: Schedule<Arrival>,
  until: number,
  onShare: (share: number) => void = () => {},
): Promise<Tally> {
  const since = Date.now() - pastMs + marginMs;
  let tally = emptyTally;
  for (let slot = floorTo(since, pastTraffic.slotMs); slot < until; ) {
    for (
      const end = slot + pastSlotsPerRequest * pastTraffic.slotMs;
      slot < Math.min(end, until);
      slot += pastTraffic.slotMs
    )
      schedule.add(slotArrivals(pastTraffic, slot).filter(({ sentAt }) => sentAt >= since && sentAt < until));
    tally = add(tally, await record(schedule.take(Math.min(slot, until))));
    onShare((Math.min(slot, until) - since) / (until - since));
  }
  return tally;
}

const floorTo = (at: number, stepMs: number) => Math.floor(at / stepMs) * stepMs;

/** Tells what happens from `from` on, as it happens, until `signal` ends it. */
export async function tellPresent(
  record: Recorder,
  schedule: Schedule<Arrival>,
  from: number,
  signal: AbortSignal,
): Promise<void> {
  for (let slot = from; !signal.aborted; ) {
    for (; slot <= Date.now(); slot += liveTraffic.slotMs) schedule.add(slotArrivals(liveTraffic, slot));
    await record(schedule.take(Date.now()));
    await wait(tickMs);
  }
}

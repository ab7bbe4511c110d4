import { setTimeout as wait } from 'node:timers/promises';
import { add, emptyTally, type Recorder, type Tally } from './recorder.ts';
import type { Schedule } from './schedule.ts';
import { type Arrival, slotArrivals, slotMs } from './traffic.ts';

const pastMs = 48 * 3_600_000;
/** The oldest message is not to leave the log while the past is being told. */
const marginMs = 60_000;
const tickMs = 250;
/** Fewer, larger requests: each waits for the disk. */
const pastSlotsPerRequest = 36;

/** Tells the past up to `until`; what will still be reported of it stays in the schedule. `onShare` hears how much is told. */
export async function tellPast(
  record: Recorder,
  schedule: Schedule<Arrival>,
  until: number,
  onShare: (share: number) => void = () => {},
): Promise<Tally> {
  const since = Date.now() - pastMs + marginMs;
  let tally = emptyTally;
  for (let slot = slotOf(since); slot < until; ) {
    for (const end = slot + pastSlotsPerRequest * slotMs; slot < Math.min(end, until); slot += slotMs)
      schedule.add(slotArrivals(slot).filter(({ sentAt }) => sentAt >= since && sentAt < until));
    tally = add(tally, await record(schedule.take(Math.min(slot, until))));
    onShare((Math.min(slot, until) - since) / (until - since));
  }
  return tally;
}

const slotOf = (at: number) => Math.floor(at / slotMs) * slotMs;

const realClock = { now: Date.now, wait: (ms: number): Promise<unknown> => wait(ms) };

/** Tells what happens from `from` on, as it happens, until `signal` ends it. */
export async function tellPresent(
  record: Recorder,
  schedule: Schedule<Arrival>,
  from: number,
  signal: AbortSignal,
  clock = realClock,
): Promise<void> {
  for (let slot = slotOf(from); !signal.aborted; ) {
    for (; slot <= clock.now(); slot += slotMs) schedule.add(slotArrivals(slot).filter(({ sentAt }) => sentAt >= from));
    await record(schedule.take(clock.now()));
    await clock.wait(tickMs);
  }
}

/**
 * `npm run demo`: the log as `npm start` starts it, with two days of made-up traffic and more coming in, all of it
 * through the public recording API. Options go to `sentlog serve`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { signInLink } from '../../src/http/routes/page.ts';
import { add, emptyTally, type Recorder, recorder, type Tally } from './recorder.ts';
import { Schedule } from './schedule.ts';
import { createKey, startServer } from './server.ts';
import { type Arrival, liveTraffic, pastTraffic, slotArrivals } from './traffic.ts';

const pastMs = 48 * 3_600_000;
/** The oldest message is not to leave the log while the past is being told. */
const marginMs = 60_000;
const tickMs = 250;
/** Fewer, larger requests: each waits for the disk. */
const pastSlotsPerRequest = 36;

const number = (value: number) => value.toLocaleString('en-US');

function say({ recorded, updated, unchanged, rejected, firstRejection }: Tally, durationMs: number): void {
  const seconds = (durationMs / 1000).toFixed(1);
  console.log(
    `\nDemo: ${number(recorded)} messages and ${number(updated)} changes of the last 48 hours in ${seconds} s`,
  );
  if (unchanged > 0) console.log(`      ${number(unchanged)} records said nothing new`);
  if (rejected > 0) console.log(`      ${number(rejected)} records were rejected, the first: ${firstRejection}`);
  console.log('      and now about 20 messages a second, until Ctrl-C\n');
}

/** Tells the past up to `until`; what will still be reported of it stays in the schedule. */
async function tellPast(record: Recorder, schedule: Schedule<Arrival>, until: number): Promise<Tally> {
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
  }
  return tally;
}

const floorTo = (at: number, stepMs: number) => Math.floor(at / stepMs) * stepMs;

async function tellPresent(
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

async function demo(args: readonly string[]): Promise<number> {
  const server = startServer(args);
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      stopping.abort();
      server.stop(signal);
    });
  const ended = server.ended.finally(() => stopping.abort());
  try {
    const address = await server.address;
    const record = recorder(address, await createKey(args, 'messenger:logs:write'), { fetch, wait });
    const schedule = new Schedule<Arrival>();
    const startedAt = Date.now();
    const present = floorTo(startedAt, liveTraffic.slotMs);
    say(await tellPast(record, schedule, present), Date.now() - startedAt);
    console.log(`See it:  ${signInLink(address, await createKey(args, 'messenger:logs:read'))}\n`);
    await tellPresent(record, schedule, present, stopping.signal);
  } catch (error) {
    // A server that was told to stop, or that stopped by itself, has said so: what failed for it says no more.
    if (!stopping.signal.aborted) {
      console.error(`Demo: ${error instanceof Error ? error.message : error}`);
      server.stop('SIGTERM');
      await ended;
      return 1;
    }
  }
  return ended;
}

process.exitCode = await demo(process.argv.slice(2));

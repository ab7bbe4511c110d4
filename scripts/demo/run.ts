/**
 * `npm run demo`: the log as `npm start` starts it, with two days of made-up traffic and more coming in, all of it
 * through the public recording API. Options go to `sentlog serve`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { signInLink } from '../../src/http/routes/page.ts';
import { recorder, type Tally } from './recorder.ts';
import { Schedule } from './schedule.ts';
import { createKey, startServer } from './server.ts';
import { presentOf, tellPast, tellPresent } from './tell.ts';
import type { Arrival } from './traffic.ts';

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
    const present = presentOf(startedAt);
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

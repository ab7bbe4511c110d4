/**
 * `npm run demo`: the log as `npm start` starts it, with two days of made-up traffic and more coming in, all of it
 * through the public recording API. With `--mirror` it comes from a simulated Infobip, which the log mirrors. Other options
 * go to `sentlog serve`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { signInLink } from '../../src/http/routes/page.ts';
import { mirrorSettings, startInfobip } from './mirrored.ts';
import { recorder, type Tally } from './recorder.ts';
import { Schedule } from './schedule.ts';
import { createKey, startServer } from './server.ts';
import { tellPast, tellPresent } from './tell.ts';
import type { Arrival } from './traffic.ts';

const number = (value: number) => value.toLocaleString('en-US');

function say({ recorded, updated, unchanged, rejected, firstRejection }: Tally, durationMs: number): void {
  const seconds = (durationMs / 1000).toFixed(1);
  console.log(
    `\nDemo: ${number(recorded)} messages and ${number(updated)} changes of the last 48 hours in ${seconds} s`,
  );
  if (unchanged > 0) console.log(`      ${number(unchanged)} records said nothing new`);
  if (rejected > 0) console.log(`      ${number(rejected)} records were rejected, the first: ${firstRejection}`);
  console.log('      and now a message every two seconds or so, until Ctrl-C\n');
}

/** A line for each tenth. */
function tellShare(): (share: number) => void {
  let told = 0;
  return share => {
    const tenths = Math.floor(share * 10);
    if (tenths <= told) return;
    told = tenths;
    console.log(`      ${tenths * 10} %`);
  };
}

async function demo(args: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  const server = startServer(args);
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
    console.log('\nDemo: telling the last 48 hours, also what a run before told: the log knows that again');
    say(await tellPast(record, schedule, startedAt, tellShare()), Date.now() - startedAt);
    console.log(`See it:  ${signInLink(address, await createKey(args, 'messenger:logs:read'))}\n`);
    await tellPresent(record, schedule, startedAt, stopping.signal);
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

/** The log is empty at first, and fills itself. */
async function mirrored(args: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  const infobip = await startInfobip(stopping.signal);
  const server = startServer(args, mirrorSettings(infobip.url));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.stop(signal));
  try {
    const address = await server.address;
    console.log(
      `\nDemo: the log mirrors a simulated Infobip at ${infobip.url}: two days of messages, and more as time goes by`,
    );
    console.log('      `npx sentlog mirrors status` says how far it is');
    console.log(`See it:  ${signInLink(address, await createKey(args, 'messenger:logs:read'))}\n`);
  } catch (error) {
    console.error(`Demo: ${error instanceof Error ? error.message : error}`);
    server.stop('SIGTERM');
  }
  const code = await server.ended;
  stopping.abort();
  await infobip.close();
  return code;
}

const args = process.argv.slice(2);
const isMirrored = args.includes('--mirror');
process.exitCode = isMirrored ? await mirrored(args.filter(one => one !== '--mirror')) : await demo(args);

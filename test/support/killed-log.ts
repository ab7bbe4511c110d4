import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { Ledger, Load } from './recording-load.ts';
import { ServerHome } from './server-process.ts';
import { until } from './sqlite-log.ts';

// Segments of a thousand are sealed and merged several times a round, so that kills hit that as well.
const settingsOf = (round: number) => ({
  SENTLOG_SEGMENT_MESSAGES: '1000',
  SENTLOG_MERGE: round % 3 === 1 ? 'off' : 'on',
});

/** Kills a server so many times while it records: all that was answered is there, once, with its reports. */
export async function killWhileRecording(kills: number): Promise<void> {
  const home = new ServerHome();
  onTestFinished(() => home.remove());
  const ledger = new Ledger(Date.now() - 600_000);
  const startsMs: number[] = [];
  for (let round = 0; round <= kills; round++) {
    const settings = settingsOf(round);
    if (round % 5 === 4) {
      const early = home.launch({ settings });
      await wait(100 + round * 20);
      await early.end('SIGKILL');
    }
    const began = performance.now();
    const server = await home.serve({ settings });
    const calls = home.calls(server);
    await calls.page('limit=1');
    startsMs.push(performance.now() - began);
    expect(ledger.faults(await calls.walk())).toEqual([]);
    expect(await ledger.timelineFaults(calls, 10)).toEqual([]);
    if (round === kills) {
      await Load.repeatUnanswered(ledger, calls);
      expect(ledger.unanswered).toBe(0);
      expect(ledger.faults(await calls.walk())).toEqual([]);
      expect(await ledger.timelineFaults(calls, 1)).toEqual([]);
      expect(server.stderr).not.toContain('damaged');
      await until(() => readdirSync(join(home.dataDir, 'segments')).some(name => name.endsWith('.volume')));
      break;
    }
    const load = new Load(ledger, calls);
    await load.confirmed(500 + ((round * 577) % 3500));
    await wait((round % 7) * 3);
    await server.end('SIGKILL');
    await load.finished();
    expect(load.refusals).toEqual([]);
  }
  expect(ledger.wrongAnswers).toEqual([]);
  const [median, slowest] = [startsMs.toSorted((a, b) => a - b)[Math.floor(kills / 2)] ?? 0, Math.max(...startsMs)];
  console.info(
    `${ledger.messages} messages; from start to the first answer after kill -9: ` +
      `median ${Math.round(median)} ms, slowest ${Math.round(slowest)} ms`,
  );
}

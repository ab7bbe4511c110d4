import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { eventually, logsPath, numberedFrom } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

const homes: ServerHome[] = [];

afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
});

const retentionMs = 3000;
const settings = {
  SENTLOG_RETENTION: `${retentionMs}ms`,
  SENTLOG_SEGMENT_AGE: '1s',
  SENTLOG_SEGMENT_MESSAGES: '1000',
};
/** At least: several segments are to go past retention meanwhile. */
const recordingMs = 6000;

test('short retention under recording → nothing past it shown, nothing inside it dropped, files unlinked', async () => {
  const home = new ServerHome();
  homes.push(home);
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  const sentAtOf = new Map<string, number>();
  const reported = new Set<string>();
  const faults: string[] = [];
  const start = Date.now();
  const isEnough = () => Date.now() > start + recordingMs && sentAtOf.size > 2000 && reported.size > 10;
  let isRecording = true;

  const record = async () => {
    for (let number = 0; !isEnough(); number += 50) {
      const sentAt = Date.now();
      const batch = numberedFrom(number, 50, { sentAt: new Date(sentAt).toISOString() });
      const { recorded } = await calls.record(batch);
      if (recorded !== 50) faults.push(`${recorded} of 50 recorded`);
      for (const { messageId } of batch) sentAtOf.set(messageId, sentAt);
      // In a segment before where there has been time to fill one.
      const messageId = [1000, 300, 0]
        .map(before => `message-${number - before}`)
        .find(id => (sentAtOf.get(id) ?? 0) > Date.now() - retentionMs / 2);
      if (messageId !== undefined) {
        await calls.record([{ messageId, status: { name: 'DELIVERED_TO_HANDSET' } }]);
        reported.add(messageId);
      }
      await wait(10);
    }
  };
  const read = async () => {
    while (isRecording) {
      const [known, delivered, from] = [[...sentAtOf], new Set(reported), Date.now()];
      const logs = await calls.walk();
      const inside = Date.now() - retentionMs;
      const shown = new Map(logs.map(log => [log.messageId, log.status.name]));
      if (shown.size !== logs.length) faults.push('a message is there twice');
      for (const log of logs)
        if (Date.parse(log.sentAt) < from - retentionMs)
          faults.push(`${log.messageId} of ${log.sentAt} is past retention`);
      for (const [messageId, sentAt] of known) {
        const status = shown.get(messageId);
        if (sentAt >= inside && status === undefined) faults.push(`${messageId} was dropped too early`);
        if (status !== undefined && delivered.has(messageId) && status !== 'DELIVERED_TO_HANDSET')
          faults.push(`${messageId} lost its report: ${status}`);
      }
    }
  };
  const segments = join(home.dataDir, 'segments');
  const recorded = record().finally(() => {
    isRecording = false;
  });
  await Promise.all([recorded, read()]);
  expect(faults.slice(0, 10)).toEqual([]);

  await eventually('all is past retention', async () => (await calls.page('limit=1000')).logs.length === 0);
  expect((await calls.call(`${logsPath}/export?format=ndjson`)).text).toBe('');
  expect(await calls.history('message-0')).toBeUndefined();
  await eventually('the files are unlinked', () => {
    const names = readdirSync(segments).filter(name => name.endsWith('.journal'));
    return !names.includes('000000001.journal') && names.length <= 1;
  });
  expect(existsSync(join(home.dataDir, 'damaged'))).toBe(false);
  const late = await calls.postNdjson(numberedFrom(0, 1, { sentAt: new Date(start).toISOString() }));
  expect(late.status).toBe(400);
  expect(late.text).toContain('older than');
  expect(await calls.record(numberedFrom(0, 1))).toMatchObject({ recorded: 1 });
  expect(server.stderr).not.toMatch(/"level":"(?:error|fatal)"/);
});

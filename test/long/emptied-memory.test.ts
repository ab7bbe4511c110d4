import { existsSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { numberedFrom } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

/**
 * What SQLite has beside a file that is written, and maps into memory. Whoever looks there when it was emptied is ended by the
 * system (SIGBUS): that is a kill -9, from which nothing that was answered is lost. Made anew under a server it would be worse,
 * since whoever was writing would go on by what it knows of the old one.
 */
test.each(['accounts.db', 'waiting.db', 'mirrors.db', 'senders.db', 'outbox.db'])(
  '%s-shm is emptied under a server → whatever becomes of the server, what it answered is there after a start',
  async name => {
    const home = new ServerHome(undefined, { SENTLOG_CARRIER: 'simulated' });
    onTestFinished(() => home.remove());
    const server = await home.serve();
    const calls = home.calls(server);
    const answered: string[] = [];
    const take = async (from: number): Promise<boolean> => {
      const records = numberedFrom(from, 20);
      const reports = records.map((_, i) => ({
        messageId: `late-${from + i}`,
        status: { name: 'DELIVERED_TO_HANDSET' },
      }));
      try {
        const { status } = await calls.postJson([...records, ...reports]);
        if (status === 200) answered.push(...records.map(one => one.messageId));
        return true;
      } catch {
        return false;
      }
    };
    for (let from = 0; from < 200; from += 20) await take(from);
    const path = join(home.dataDir, `${name}-shm`);
    expect(existsSync(path)).toBe(true);
    truncateSync(path);
    for (let from = 200; from < 400 && (await take(from)); from += 20);
    await server.end('SIGKILL');
    const next = await home.serve();
    const again = home.calls(next);
    expect((await again.walk()).map(log => log.messageId)).toEqual(expect.arrayContaining(answered));
    expect(answered.length).toBeGreaterThanOrEqual(200);
    const late = answered.map(id => id.replace('message', 'late'));
    await again.record(late.map(messageId => ({ ...numberedFrom(0, 1)[0], messageId })));
    for (const messageId of late.slice(0, 50))
      expect((await again.history(messageId))?.status.name).toBe('DELIVERED_TO_HANDSET');
    expect(JSON.parse((await again.call('/health/ready')).text)).toMatchObject({ status: 'ready', damaged: 0 });
    expect((await next.end('SIGTERM')).code).toBe(0);
  },
);

import { expect, onTestFinished, test } from 'vitest';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Secrets } from '../../src/secrets.ts';

function opened(rows = new SqliteMirrorRows(':memory:')): Mirrors {
  const mirrors = new Mirrors(rows, new Secrets(['s'.repeat(32)]), () => 0);
  onTestFinished(() => mirrors.close());
  return mirrors;
}

test.each([
  ['https://xyz.api.infobip.com/', 'https://xyz.api.infobip.com'],
  ['https://xyz.api.infobip.com/messenger/1/logs', 'https://xyz.api.infobip.com'],
  ['https://gate.example.com/infobip/messenger/1/logs/', 'https://gate.example.com/infobip'],
  ['http://127.0.0.1:8081', 'http://127.0.0.1:8081'],
  ['http://localhost/', 'http://localhost'],
  ['http://[::1]:80/x/', 'http://[::1]/x'],
  ['http://proxy:8080', 'http://proxy:8080'],
  ['http://10.1.2.3', 'http://10.1.2.3'],
  ['http://log.prod.svc:8080', 'http://log.prod.svc:8080'],
  ['http://log.prod.svc.cluster.local.', 'http://log.prod.svc.cluster.local.'],
  ['http://localhost.', 'http://localhost.'],
  ['http://172.31.0.1', 'http://172.31.0.1'],
  ['http://100.127.0.1', 'http://100.127.0.1'],
  ['http://[::ffff:10.0.0.1]', 'http://[::ffff:a00:1]'],
  ['http://[fd12:3456::1]', 'http://[fd12:3456::1]'],
  ['http://[fe80::1]', 'http://[fe80::1]'],
])('the other side at %s → mirrored at its base', async (from, base) => {
  expect(await opened().add({ name: 'm', account: 1, from, key: 'k' })).toMatchObject({ from: base });
});

test.each([
  ['http://xyz.api.infobip.com', /begins with https/],
  ['http://8.8.8.8', /begins with https/],
  ['http://127.example.com', /begins with https/],
  ['http://10.0.0.1.example.com', /begins with https/],
  ['http://[2001:db8::1]', /begins with https/],
  ['http://[fd::1]', /begins with https/],
  ['http://[::ffff:8.8.8.8]', /begins with https/],
  ['http://100.128.0.1', /begins with https/],
  ['http://xyz.api.infobip.com.', /begins with https/],
  ['http://svc.example.com', /begins with https/],
  ['ftp://xyz.api.infobip.com', /is not an address/],
  ['xyz.api.infobip.com', /is not an address/],
  ['https://xyz.api.infobip.com/?a=b', /is not an address/],
  ['https://me:secret@xyz.api.infobip.com', /holds no user or password/],
])('the other side at %s → refused with the reason, and nothing is kept', async (from, why) => {
  const mirrors = opened();
  await expect(mirrors.add({ name: 'm', account: 1, from, key: 'k' })).rejects.toThrow(why);
  expect(await mirrors.list()).toEqual([]);
});

test('a mirror that an older version let go without TLS → is ensured as it is, with another key too, and goes nowhere else so', async () => {
  const rows = new SqliteMirrorRows(':memory:');
  const mirrors = opened(rows);
  const [from, key] = ['http://xyz.api.infobip.com', 'k'];
  const request = { name: 'm', account: 1, from: `${from}/messenger/1/logs/`, key };
  await expect(mirrors.ensure(request)).rejects.toThrow(/begins with https/);
  await rows.add({ name: 'm', account: 1, from, requestsPerMinute: 60, sinceMs: 1, createdAt: 0 }, 'sealed by nobody');
  for (const one of ['k', 'k', 'another']) {
    const there = await mirrors.ensure({ ...request, key: one });
    expect([there.from, mirrors.key(there)]).toEqual([from, one]);
  }
  await expect(mirrors.ensure({ ...request, from: 'http://other.example.com' })).rejects.toThrow(/begins with https/);
  expect(await mirrors.ensure({ ...request, from: 'https://xyz.api.infobip.com' })).toMatchObject({
    from: 'https://xyz.api.infobip.com',
  });
});

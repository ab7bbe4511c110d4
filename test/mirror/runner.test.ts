import { expect, onTestFinished, test, vi } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { behindOf } from '../../src/mirror/figures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import type { MirrorRows } from '../../src/mirror/rows.ts';
import { MirrorRunner } from '../../src/mirror/runner.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Secrets } from '../../src/secrets.ts';
import { formatDateTime } from '../../src/wire/date-time.ts';
import { MemoryStore } from '../support/memory-store.ts';

const secret = 's'.repeat(32);

type Broken = { readonly secret?: string; readonly place?: string; readonly spend?: MirrorRows['spend'] };

/** A runner of one mirror that may have something broken; how often it has looked, too. */
async function running({ secret: used = secret, place, spend }: Broken, answer: () => Promise<Response>) {
  const rows = new SqliteMirrorRows(':memory:');
  const made = new Mirrors(rows, new Secrets([secret]), () => 0);
  const { id } = await made.add({ name: 'm', account: 1, from: 'https://x', key: 'k' });
  if (place !== undefined) await rows.keep(id, 'me', { place, follow: [], unfollow: [] });
  if (spend !== undefined) rows.spend = spend;
  const looks = vi.spyOn(rows, 'mirrors');
  const runner = new MirrorRunner({
    mirrors: new Mirrors(rows, new Secrets([used]), () => 0),
    rows,
    store: new MemoryStore(),
    holder: 'me',
    retentionOf: () => 1000,
    fetch: answer,
    clock: Date.now,
    note: () => {},
  });
  onTestFinished(async () => {
    await runner.stop();
    await made.close();
  });
  runner.start();
  return { runner, looks };
}

const nobody = () => Promise.reject(new Error('nobody is asked'));

test.each<readonly [string, Broken, string]>([
  ['its key was sealed under another secret', { secret: 'o'.repeat(32) }, 'sealed under another secret'],
  ['what is kept of it is damaged', { place: '{' }, 'the place of the mirror m is damaged'],
  [
    'nothing can be written down',
    { spend: () => Promise.reject(new Unavailable('the disk is full')) },
    'the disk is full',
  ],
  ['something fails that nobody thought of', { spend: () => Promise.reject(new RangeError('x')) }, 'it failed here'],
])('a mirror cannot run, since %s → in trouble, and the reason is told', async (_, broken, told) => {
  const { runner } = await running(broken, nobody);
  await expect
    .poll(() => runner.figures())
    .toMatchObject([{ state: 'in trouble', reason: expect.stringContaining(told) }]);
});

test('a mirror that failed is tried again → in trouble until it goes on', async () => {
  const second = Promise.withResolvers<undefined>();
  const spend = vi.fn(async () => second.promise).mockRejectedValueOnce(new Unavailable('the disk is full'));
  const { runner, looks } = await running({ spend }, async () => Response.json({ results: [] }));
  await expect.poll(() => spend.mock.calls.length, { timeout: 30_000 }).toBe(2);
  const looked = looks.mock.calls.length;
  await expect.poll(() => looks.mock.calls.length, { timeout: 30_000 }).toBeGreaterThan(looked + 1);
  expect(runner.figures()).toMatchObject([{ state: 'in trouble', reason: 'the disk is full' }]);
  second.resolve(undefined);
  await expect.poll(() => runner.figures(), { timeout: 30_000 }).toMatchObject([{ state: 'following' }]);
});

test('the other side asks for a pause of years → an hour, and when it is asked again is told', async () => {
  const from = Date.now();
  const busy = async () => new Response('', { status: 429, headers: { 'retry-after': '99999999' } });
  const { runner } = await running({}, busy);
  await expect.poll(() => runner.figures()).toMatchObject([{ state: 'in trouble' }]);
  const [figures] = runner.figures();
  const until = figures?.restsUntil ?? 0;
  expect(until).toBeGreaterThanOrEqual(from + 3_600_000);
  expect(until).toBeLessThanOrEqual(Date.now() + 3_600_000);
  expect(figures && behindOf(figures)).toContain(`it asks again at ${formatDateTime(until)}`);
});

import { expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import { MirrorRunner } from '../../src/mirror/runner.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Secrets } from '../../src/secrets.ts';
import { MemoryStore } from '../support/memory-store.ts';

const secret = 's'.repeat(32);

type Broken = { readonly secret?: string; readonly place?: string; readonly spend?: () => Promise<never> };

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
  const rows = new SqliteMirrorRows(':memory:');
  const made = new Mirrors(rows, new Secrets([secret]), () => 0);
  const { id } = await made.add({ name: 'm', account: 1, from: 'https://x', key: 'k' });
  if (broken.place !== undefined) await rows.keep(id, 'me', { place: broken.place, follow: [], unfollow: [] });
  if (broken.spend !== undefined) rows.spend = broken.spend;
  const runner = new MirrorRunner({
    mirrors: new Mirrors(rows, new Secrets([broken.secret ?? secret]), () => 0),
    rows,
    store: new MemoryStore(),
    holder: 'me',
    retentionOf: () => 1000,
    fetch: () => Promise.reject(new Error('nobody is asked')),
    clock: Date.now,
    note: () => {},
  });
  onTestFinished(async () => {
    await runner.stop();
    await made.close();
  });
  runner.start();
  await expect
    .poll(() => runner.figures())
    .toMatchObject([{ state: 'in trouble', reason: expect.stringContaining(told) }]);
});

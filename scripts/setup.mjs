/**
 * Brings a clone up to date with its sources: `node_modules` with `package-lock.json`, and the page with `web/`. Runs
 * before `npm start`, `npm test` and `npm run demo`, on whatever Node the machine has: hence plain JavaScript without
 * imports from anywhere but Node. Several may run at once: one works, the others wait for it.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installed, missing } from './setup/install.mjs';
import { withLock } from './setup/lock.mjs';
import { builtPage, isPageCurrent } from './setup/page.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const steps = [
  {
    isDone: () => missing(root) === undefined,
    announcement: 'Setting up: installing the dependencies and Node 26 (once, about a minute) …',
    work: () => installed(root),
  },
  { isDone: () => isPageCurrent(root), announcement: 'Building the page …', work: () => builtPage(root) },
];

async function setUp() {
  const startedAt = Date.now();
  for (const { isDone, announcement, work } of steps) {
    // Another process may have done it while this one waited.
    if (isDone()) continue;
    console.log(announcement);
    const failure = await work();
    if (failure === undefined) continue;
    console.error(failure);
    return 1;
  }
  console.log(`Set up in ${Math.ceil((Date.now() - startedAt) / 1000)} s.\n`);
  return 0;
}

const onWait = owner => console.log(`Setting up: waiting for process ${owner}, which is at it …`);
if (!steps.every(({ isDone }) => isDone())) process.exitCode = await withLock(join(root, '.setup.lock'), onWait, setUp);

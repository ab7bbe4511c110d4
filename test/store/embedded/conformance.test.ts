import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { isThorough } from '../../support/properties.ts';
import { outcomeTests } from '../conformance/outcomes.ts';
import { conformance, type EngineHints } from '../conformance.ts';
import { openSqliteEngine } from './opened-engine.ts';

/** What is read by several threads is tried on the stores that all share: each thread of one more takes 50 ms of CPU to start. */
const readersOf = ({ accounts }: EngineHints) => (accounts === undefined && !isThorough ? 1 : 2);

conformance('the embedded engine in small segments', hints =>
  openSqliteEngine(hints.segmentMessagesMax ?? 50, readersOf(hints)),
);
outcomeTests(({ committed }) => openSqliteEngine(50, 1, { committed }));

test('stats → what is free on the disk of the folder', async () => {
  const { store, close } = await openSqliteEngine(50, 1);
  const { freeBytes } = await store.stats();
  const { blocks, bsize } = statfsSync(tmpdir());
  expect(freeBytes).toBeGreaterThan(0);
  expect(freeBytes).toBeLessThanOrEqual(blocks * bsize);
  await close();
});

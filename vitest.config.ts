import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Each store that a test opens has threads, and each server its process: half of their CPU went to compiling the same files.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules', '.cache', 'node-compile');

/** Most tests wait for disks, timers and other processes, so two at a time are faster on a single core too. */
const maxWorkers = Math.max(2, availableParallelism());

/** What is waited for may take long on a slow and busy machine; what never comes fails by this. */
const patience = { poll: { timeout: 60_000 } };

/** Minutes each: `npm run test:long` alone runs them. */
const longTests = 'test/long/**/*.test.ts';

const setupFiles = ['test/support/properties.ts'];

/** The suites that start servers, databases and browsers of their own: they run after the others and two at a time. */
const processTests = [
  'test/process/**/*.test.ts',
  'test/bench/**/*.test.ts',
  'test/web/**/*.test.ts',
  'test/deploy/**/*.test.ts',
];

/**
 * Those of the HTTP tests whose answers come from the store, once more over PostgreSQL. The others never reach the store,
 * or replace it.
 */
const storeTests = [
  'cursor',
  'export',
  'fuzz',
  'logs',
  'message',
  'record',
  'stream',
  'summary',
  'two-accounts',
  'values',
].map(name => `test/http/${name}.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...processTests, longTests],
          testTimeout: 600_000,
          hookTimeout: 180_000,
          expect: patience,
          setupFiles,
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'http over PostgreSQL',
          include: storeTests,
          globalSetup: 'test/support/postgres-project.ts',
          testTimeout: 600_000,
          hookTimeout: 180_000,
          expect: patience,
          setupFiles,
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'process',
          include: processTests,
          testTimeout: 300_000,
          hookTimeout: 180_000,
          expect: patience,
          setupFiles,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'long',
          include: [longTests],
          testTimeout: 3_600_000,
          hookTimeout: 180_000,
          expect: patience,
          setupFiles,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

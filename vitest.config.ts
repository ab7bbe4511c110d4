import { defineConfig } from 'vitest/config';

/** The suites that start servers, databases and browsers of their own: they run after the others and one at a time. */
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
          exclude: processTests,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'http over PostgreSQL',
          include: storeTests,
          globalSetup: 'test/support/postgres-project.ts',
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'process',
          include: processTests,
          testTimeout: 300_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Each store that a test opens has threads, and each server its process: half of their CPU went to compiling the same files.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules', '.cache', 'node-compile');

/** Many tests wait for disks, timers and other processes: with one more at a time than there are cores, these stay busy. */
const maxWorkers = availableParallelism() + 1;

/** What is waited for may take long on a slow and busy machine; what never comes fails by this. */
const patience = { poll: { timeout: 60_000 } };

/** Minutes each: `npm run test:long` alone runs them. */
const longTests = 'test/long/**/*.test.ts';

/**
 * Four fifths of all the time: what starts servers, databases, browsers or commands, breaks them, fills their disks, plays hours
 * and days, or has the store's contract once more on another layout. `npm run test:slow` runs them, and so do CI and
 * `npm run test:long`.
 */
const slowTests = [
  'test/{bench,deploy,process,web}/**/*.test.ts',
  'test/accounts/credentials.test.ts',
  'test/cli/{backup,colours,commands,completion,copy,database,health,import,on-terminal,package,reading,refusals,restore,serve}.test.ts',
  'test/demo/{tell,traffic}.test.ts',
  'test/http/{standing,stream-life,typed-client,under-way}.test.ts',
  'test/mirror/{bad-days,catch-up,checks,crowded,edge,ends,gaps,hostile,own-clock,pace,polling,runner,strange,truth}.test.ts',
  'test/outbox/{postgres,postgres-figures}.test.ts',
  'test/postgres/migrate.test.ts',
  'test/sender/{claims,outages}.test.ts',
  'test/store/copy.test.ts',
  'test/store/embedded/{conformance-layouts,damage,losses,lost-ledger,mixed-up,moved,moved-files,unreadable,volumes}.test.ts',
  'test/store/postgres/{citus-statements,eras,folding,following,layouts,nodes,outage,pages,partitions,plans,replica-conformance,replica-mistakes,replicas,rows,sealing,together}.test.ts',
  'test/sweeper.test.ts',
];

const setupFiles = ['test/support/properties.ts'];

/** With it a file's tests share one log in PostgreSQL. */
const sharedLogEnd = 'test/support/shared-log-end.ts';

/** Bundles what process tests start. */
const programSetup = 'test/support/bundled-program.ts';

/** Unpacks the browser that tests of the page drive. */
const browserSetup = 'test/support/unpacked-browser.ts';

/** Bundles the threads of the stores that tests open. */
const threadSetup = 'test/support/bundled-threads.ts';

/**
 * Those that replace modules, or what stores and servers work with, listen to their process, look at its memory or fill it:
 * each has a process of its own. In all others a process runs one file after the other, and loads what they share once: to load
 * it took half of their CPU. What one of them replaces is put back after it (`sharing`).
 */
const ownProcessTests = [
  'test/accounts/{accounts,passwords}.test.ts',
  'test/http/body.test.ts',
  'test/outbox/{sqlite,together}.test.ts',
  'test/store/embedded/{commits,conformance,facets,lock,own-rows,shared-question,simulated-disk,threads,unclaimed,waiting}.test.ts',
  'test/store/postgres/conformance.test.ts',
  'test/telemetry/**/*.test.ts',
  'test/tidy.test.ts',
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

/** What takes longest begins first: vitest goes by the size of a file, and what begins last is waited for alone. */
const longest = [
  'test/store/embedded/conformance',
  'test/store/postgres/conformance',
  'test/store/postgres/replica-conformance',
  'test/bench/smoke',
  'test/process/many',
  'test/process/mirror',
  'test/store/embedded/conformance-layouts',
  'test/store/postgres',
  'test/store/copy',
  'test/cli',
  'test/accounts',
  'test/mirror',
  'test/process/crash',
  'test/web/page',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex(beginning => moduleId.startsWith(join(import.meta.dirname, beginning)));
      return at === -1 ? longest.length : at;
    };
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    // A process goes on with files of its own project alone: those come last whose next file begins at once in the same one.
    const project = ({ project }: TestSpecification) => ['http over PostgreSQL', 'plain'].indexOf(project.name);
    return (await super.sort(files)).toSorted(
      (a, b) => group(a) - group(b) || project(a) - project(b) || place(a) - place(b),
    );
  }
}

/** Where a process runs one file after the other. */
const sharing = 'test/support/nothing-left.ts';

/** What all projects have. */
const common = { hookTimeout: 180_000, expect: patience, setupFiles };

/** What those have whose tests start nothing, or stores alone: they run first. */
const inProcess = {
  ...common,
  globalSetup: threadSetup,
  setupFiles: [...setupFiles, 'test/support/thread-entries.ts'],
  // With Node's own, what makes new objects fills it time and again at a start: of threads, too.
  execArgv: ['--min-semi-space-size=4'],
  testTimeout: 600_000,
  maxWorkers,
  sequence: { groupOrder: 0 },
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...inProcess,
          name: 'unit',
          include: ownProcessTests,
        },
      },
      {
        test: {
          ...inProcess,
          name: 'plain',
          include: ['test/**/*.test.ts'],
          exclude: [...ownProcessTests, ...slowTests, longTests],
          setupFiles: [...inProcess.setupFiles, sharing],
          isolate: false,
        },
      },
      {
        test: {
          ...inProcess,
          name: 'http over PostgreSQL',
          include: storeTests,
          isolate: false,
          globalSetup: [threadSetup, 'test/support/postgres-project.ts'],
          setupFiles: [...inProcess.setupFiles, sharing, sharedLogEnd],
        },
      },
      {
        test: {
          ...inProcess,
          name: 'slow',
          include: slowTests,
          globalSetup: [threadSetup, programSetup, browserSetup],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'long',
          include: [longTests],
          globalSetup: programSetup,
          testTimeout: 3_600_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

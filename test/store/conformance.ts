import { afterAll, describe } from 'vitest';
import { changesTests } from './conformance/changes.ts';
import { closeShared, type OpenEngine } from './conformance/engine.ts';
import { impossibleTests } from './conformance/impossible.ts';
import { lifecycleTests } from './conformance/lifecycle.ts';
import { modelTests } from './conformance/model.ts';
import { neighbourTests } from './conformance/neighbours.ts';
import { readingTests } from './conformance/reading.ts';
import { recordingTests } from './conformance/recording.ts';
import { reportTests } from './conformance/reports.ts';
import { retentionTests } from './conformance/retention.ts';
import { summaryTests } from './conformance/summary.ts';
import { valueTests } from './conformance/values.ts';
import { volumeTests } from './conformance/volume.ts';
import { waitingTests } from './conformance/waiting.ts';
import { walkTests } from './conformance/walks.ts';
import { wallTests } from './conformance/walls.ts';

export type { EngineHints, OpenEngine, OpenedEngine } from './conformance/engine.ts';

/**
 * The store's contract as tests: every engine passes all of them. An engine needs nothing but a way to be opened on no
 * data, and opened again on the data it left. Most tests share a store and have accounts of their own in it: that
 * nothing of another account shows is so tried by all of them.
 */
export function conformance(name: string, openEngine: OpenEngine): void {
  describe(`${name} keeps the store's contract`, () => {
    afterAll(() => closeShared(openEngine));
    recordingTests(openEngine);
    reportTests(openEngine);
    wallTests(openEngine);
    waitingTests(openEngine);
    readingTests(openEngine);
    valueTests(openEngine);
    impossibleTests(openEngine);
    walkTests(openEngine);
    changesTests(openEngine);
    summaryTests(openEngine);
    retentionTests(openEngine);
    lifecycleTests(openEngine);
    modelTests(openEngine);
    volumeTests(openEngine);
    neighbourTests(openEngine);
  });
}

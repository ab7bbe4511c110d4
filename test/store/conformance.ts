import { afterAll, describe } from 'vitest';
import { isThorough } from '../support/properties.ts';
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
import { textTests } from './conformance/text.ts';
import { valueTests } from './conformance/values.ts';
import { volumeTests } from './conformance/volume.ts';
import { waitingTests } from './conformance/waiting.ts';
import { walkTests } from './conformance/walks.ts';
import { wallTests } from './conformance/walls.ts';

export type { EngineHints, OpenEngine, OpenedEngine } from './conformance/engine.ts';

type Group = (openEngine: OpenEngine, segmentSizes: readonly number[]) => void;

/** All but the comparisons with the store in memory, which it has no use for. */
export const ownGroups: readonly Group[] = [
  recordingTests,
  reportTests,
  wallTests,
  waitingTests,
  readingTests,
  valueTests,
  impossibleTests,
  walkTests,
  changesTests,
  summaryTests,
  retentionTests,
  lifecycleTests,
  neighbourTests,
];

const allGroups: readonly Group[] = [...ownGroups, textTests, modelTests, volumeTests];

/** What depends on how the rows of old messages are kept. */
export const keepingGroups: readonly Group[] = [
  readingTests,
  valueTests,
  textTests,
  walkTests,
  changesTests,
  retentionTests,
];

/** What depends on where it is read. */
export const readingGroups: readonly Group[] = [
  wallTests,
  readingTests,
  walkTests,
  changesTests,
  summaryTests,
  textTests,
  neighbourTests,
  modelTests,
];

/** What depends on where a message is kept. What is dropped there, the comparison with the store in memory tells. */
export const placingGroups: readonly Group[] = [recordingTests, reportTests, ...readingGroups];

type Choice = {
  readonly groups?: readonly Group[];
  /** Messages a segment, where it makes a difference to the engine. */
  readonly segmentSizes?: readonly number[];
};

/**
 * The store's contract as tests: every engine passes all of them. An engine needs nothing but a way to be opened on no
 * data, and opened again on the data it left. Most tests share a store and have accounts of their own in it: that
 * nothing of another account shows is so tried by all of them.
 */
export function conformance(
  name: string,
  openEngine: OpenEngine,
  { groups = allGroups, segmentSizes = isThorough ? [3, 10, 1000] : [3, 1000] }: Choice = {},
): void {
  describe(`${name} keeps the store's contract`, () => {
    afterAll(() => closeShared(openEngine));
    for (const group of groups) group(openEngine, segmentSizes);
  });
}

/** Groups for an engine that another, whose every group is tried, differs from in a part only. */
export const partly = (groups: readonly Group[]): readonly Group[] => (isThorough ? allGroups : groups);

import { expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import { partitionsFor } from '../../src/storage/database.ts';

const day = limits.partitionRetentionMs;

it.each([
  ['set', { partitionMs: 600_000, retentionMs: 2 * day }, { partitionMs: 600_000 }],
  ['not set → by what is recorded', { partitionMs: undefined, retentionMs: day }, {}],
  [
    'not set, kept for less than a day → an hour',
    { partitionMs: undefined, retentionMs: day - 1 },
    { partitionMs: limits.partitionMs },
  ],
])('what partitions span is %s', (_case, config, expected) => {
  expect(partitionsFor(config)).toEqual(expected);
});

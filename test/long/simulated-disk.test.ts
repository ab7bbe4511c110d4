import { expect, test } from 'vitest';
import { trySeeds } from '../store/embedded/disk-run.ts';

/** The suite tries the first hundred. */
const [first, count] = [101, 10_000];
/** So many at a time: what fails tells so before the rest is tried. */
const together = 500;

test.each(Array.from({ length: count / together }, (_, i) => first + i * together))(
  `seeds %d and the ${together - 1} after it → nothing that was answered is lost by what a disk does`,
  async from => {
    const { crashes } = await trySeeds(Array.from({ length: together }, (_, i) => from + i));
    expect(crashes).toBeGreaterThan(together / 2);
  },
);

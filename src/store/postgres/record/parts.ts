import type { Submission } from '../../../domain/message.ts';
import type { RecordOutcome } from '../../store.ts';
import type { Slice } from '../rows/slices.ts';
import type { Part } from './record-group.ts';

/** A batch that waits for its outcome. */
export type Waiting = Part & {
  /** Counts the calls up. */
  readonly order: number;
  /** How often it was led to slices that turned out not to be its own. */
  readonly misplaced: number;
  readonly resolve: (outcome: RecordOutcome) => void;
  readonly reject: (error: unknown) => void;
};

/** A batch whose records have their message numbers. */
export type Numbered = Waiting & { readonly numbers: readonly number[] };

/** Where a record belongs. */
export type Way = {
  readonly slice: Slice;
  /** It was found there, and would be elsewhere if it were new. */
  readonly known: boolean;
};

/** What was led to a slice by a layout. */
export type Led = Waiting & Way & { readonly layout: number };

/** Divides what waits by the slices its records belong to; its own outcome is put together of what becomes of the parts. */
export function divide(waiting: Numbered, layout: number, wayOf: (submission: Submission) => Way): readonly Led[] {
  const { batch, numbers, order, misplaced } = waiting;
  const shares = new Map<string, Share>();
  for (const [i, submission] of batch.submissions.entries()) {
    const way = wayOf(submission);
    const key = `${way.slice} ${way.known}`;
    const share = shares.get(key) ?? { way, indexes: [], submissions: [], numbers: [], ...Promise.withResolvers() };
    shares.set(key, share);
    share.indexes.push(i);
    share.submissions.push(submission);
    share.numbers.push(at(numbers, i));
  }
  const all = [...shares.values()];
  const [first, ...others] = all;
  if (first !== undefined && others.length === 0) return [{ ...waiting, ...first.way, layout }];
  gather(all).then(waiting.resolve, waiting.reject);
  return all.map(({ way, submissions, numbers: own, resolve, reject }) => {
    const part = { batch: { ...batch, submissions }, numbers: own };
    return { ...part, ...way, layout, order, misplaced, resolve, reject };
  });
}

/** What of a batch goes one way. */
type Share = PromiseWithResolvers<RecordOutcome> & {
  readonly way: Way;
  readonly indexes: number[];
  readonly submissions: Submission[];
  readonly numbers: number[];
};

/** Waits for all of them also when one fails: whoever is told of that may send the whole again. */
async function gather(parts: readonly Share[]): Promise<RecordOutcome> {
  await Promise.allSettled(parts.map(({ promise }) => promise));
  const outcomes = await Promise.all(parts.map(async ({ indexes, promise }) => ({ indexes, ...(await promise) })));
  const sum = (count: 'recorded' | 'updated' | 'unchanged' | 'waiting') =>
    outcomes.reduce((total, one) => total + one[count], 0);
  const rejected = outcomes.flatMap(({ indexes, rejected: own }) =>
    own.map(rejection => ({ ...rejection, index: at(indexes, rejection.index) })),
  );
  return {
    recorded: sum('recorded'),
    updated: sum('updated'),
    unchanged: sum('unchanged'),
    waiting: sum('waiting'),
    rejected: rejected.toSorted((a, b) => a.index - b.index),
  };
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`none of ${values.length} records is at ${index}`);
  return value;
}

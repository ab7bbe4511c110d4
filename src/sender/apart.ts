import { Unavailable, Unusable, WrongValues } from '../failures.ts';
import { isOfValues } from '../postgres/sql-state.ts';

/** Records that nothing was done for, and why. */
export type Interruption<T> = { readonly left: readonly T[]; readonly error: unknown };

/**
 * Does `work` for all records at once. Where it fails by a defect, does it for each half by itself, so that one record
 * costs one record: that one `failed` is told of. A defect is the record's own where its values are not taken, or where
 * another record of these was taken; any other may be that of the whole store, and costs no record. Gives what is to be
 * tried again, and that alone: all else is done, or was told of.
 */
export async function apart<T>(
  records: readonly T[],
  work: (records: readonly T[]) => Promise<void>,
  failed: (record: T, error: unknown) => void,
): Promise<Interruption<T> | undefined> {
  const suspects: { readonly record: T; readonly error: unknown }[] = [];
  let isAnyDone = false;
  const part = async (those: readonly T[]): Promise<Interruption<T> | undefined> => {
    try {
      await work(those);
      isAnyDone = true;
      return undefined;
    } catch (error) {
      if (error instanceof Unavailable || error instanceof Unusable) return { left: those, error };
      if (those.length <= 1) {
        suspects.push(...those.map(record => ({ record, error })));
        return undefined;
      }
      const [first, second] = [those.slice(0, Math.ceil(those.length / 2)), those.slice(Math.ceil(those.length / 2))];
      const cut = await part(first);
      return cut === undefined ? part(second) : { left: [...cut.left, ...second], error: cut.error };
    }
  };
  const cut = records.length === 0 ? undefined : await part(records);
  const isBlamed = ({ error }: { readonly error: unknown }) =>
    isAnyDone || error instanceof WrongValues || isOfValues(error);
  for (const { record, error } of suspects.filter(isBlamed)) failed(record, error);
  const spared = suspects.filter(one => !isBlamed(one));
  const left = [...spared.map(one => one.record), ...(cut?.left ?? [])];
  return left.length === 0 ? undefined : { left, error: cut?.error ?? spared[0]?.error };
}

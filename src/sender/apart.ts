import { Unavailable } from '../failures.ts';

/**
 * Does `work` for all records at once. Where it fails by a defect, does it for each half by itself, so that one record
 * costs one record: that one `failed` is told of. Rejects with an outage, since nothing is wrong with the records then.
 */
export async function apart<T>(
  records: readonly T[],
  work: (records: readonly T[]) => Promise<void>,
  failed: (record: T, error: unknown) => void,
): Promise<void> {
  try {
    await work(records);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    const [first] = records;
    if (records.length > 1) {
      const middle = Math.ceil(records.length / 2);
      await apart(records.slice(0, middle), work, failed);
      await apart(records.slice(middle), work, failed);
    } else if (first !== undefined) failed(first, error);
  }
}

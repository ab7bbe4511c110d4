import type { AccountId, Submission } from '../../../domain/message.ts';
import { absentHash, hashValue, lookUpFields } from '../../block/hash.ts';

/** The fields that a message is looked up by, in the order their hashes stand in columns and index files. */
export const fields = lookUpFields satisfies readonly (keyof Submission)[];

export type Field = (typeof fields)[number];
export const fieldCount = fields.length;
export const messageIdField = 0;

export { absentHash, hashValue };

export function hashOf(seed: number, account: AccountId, field: number, value: string | undefined): number {
  return value === undefined ? absentHash : hashValue(seed, account, field, value);
}

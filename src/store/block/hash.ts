import type { ExactName } from '../../domain/filter-fields.ts';
import type { AccountId } from '../../domain/message.ts';

/** The fields that messages are looked up by, in the order that their hashes stand in. */
export const lookUpFields = [
  'messageId',
  'bulkId',
  'sender',
  'destination',
  'entityId',
  'applicationId',
  'campaignReferenceId',
] as const satisfies readonly ExactName[];

/** All fields that are hashed; their places are part of their hashes, so further ones come last. */
export const hashedFields = [
  ...lookUpFields,
  'generalStatus',
  'errorName',
  'errorId',
] as const satisfies readonly ExactName[];

/** The hash of an absent value; no value has it. */
export const absentHash = 0;

/**
 * A 32-bit hash of one account's value of one field. The account is part of it, so that one account's rows cost
 * another's queries nothing; the seed is the store's own, so that nobody can prepare colliding ids. The value may stand in a
 * text, from one place to before another.
 */
export function hashValue(
  seed: number,
  account: AccountId,
  field: number,
  text: string,
  from = 0,
  to = text.length,
): number {
  let hash = seed ^ Math.imul(account, 0x9e3779b1) ^ Math.imul(field + 1, 0x85ebca6b);
  for (let i = from; i < to; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash ^= hash >>> 15;
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x846ca68b);
  hash ^= hash >>> 16;
  return hash >>> 0 || 1;
}

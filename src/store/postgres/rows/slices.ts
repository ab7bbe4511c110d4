import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { AccountId } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';

/**
 * What the tables call `account_id`. The first slice of an account is the account itself, so that one that is not
 * spread is what it always was; further ones have numbers that no account has.
 */
export type Slice = AccountId;

const sliceStep = limits.accountIdEnd;
assert(sliceStep * limits.accountSlicesMax <= Number.MAX_SAFE_INTEGER);

/** The slice of an account at an index from 0 on. */
export function sliceAt(account: AccountId, index: number): Slice {
  if (index === 0) return account;
  if (account < 0 || account >= sliceStep) throw new RangeError(`account ${account} is not one that can be spread`);
  if (!Number.isSafeInteger(index) || index < 0 || index >= limits.accountSlicesMax)
    throw new RangeError(`an account has no slice ${index}`);
  return account + index * sliceStep;
}

/** The account that a slice is of. */
export function accountOf(slice: Slice): AccountId {
  return slice % sliceStep;
}

/**
 * Which of so many slices a message is in: told by its id alone, so that whatever belongs to an id is in one slice. It
 * never changes for an id, or the message would not be found again. The checksum is stirred, since that of ids which
 * count up differs in few of its bits.
 */
export function sliceIndexOf(messageId: string, slices: number): number {
  if (slices === 1) return 0;
  const sum = crc32(messageId);
  const stirred = Math.imul(sum ^ (sum >>> 16), 0x45d9f3b);
  return ((stirred ^ (stirred >>> 15)) >>> 0) % slices;
}

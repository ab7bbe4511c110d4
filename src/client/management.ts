import { isRecord } from './errors.ts';
import type { Price } from './types.ts';

/** A log of another side that the account keeps, and how far it is. Dates are texts that `new Date` reads. */
export type Mirror = {
  readonly name: string;
  readonly from: string;
  readonly createdAt: string;
  readonly requestsPerMinute: number;
  readonly state: 'starting' | 'catching up' | 'following' | 'in trouble' | 'paused';
  /** Why it rests, or what failed last. */
  readonly reason?: string;
  /** How far the newest that is read is behind now. */
  readonly lagMs?: number;
  /** How long ago what is followed was asked for, of that which has waited longest. */
  readonly statusLagMs?: number;
  /** Followed messages that were not asked for within 90 seconds. */
  readonly statusesLate?: number;
  /** Why statuses may be old here, or the newest is missing; absent when it is up to date. */
  readonly behind?: string;
  readonly newestSentAt?: string;
  /** How far back what is still to be read begins. */
  readonly unreadSince?: string;
  readonly answeredAt?: string;
  /** Nothing is asked before, since the other side asked for a pause, or gave no answer. */
  readonly restsUntil?: string;
  /** In the last minute. */
  readonly requestsUsed: number;
  readonly requestsLeft: number;
  /** Messages whose status is not final, which are asked for again. */
  readonly followed: number;
  readonly gaps: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  readonly recorded: number;
  readonly changed: number;
  readonly refused: number;
  readonly flawed: number;
  readonly unsettled: number;
  /** Both sides are being asked the same questions. */
  readonly isBeingChecked: boolean;
  /** How far the check is that is running, in words. */
  readonly checkProgress?: string;
  /** Why the check that was begun last came to nothing. */
  readonly checkFailure?: string;
  /** What came of asking both sides the same questions. */
  readonly lastCheck?: {
    readonly at: string;
    readonly from: string;
    readonly to: string;
    readonly messages: number;
    readonly questions: number;
    readonly differences: number;
  };
};

/** A page that the account sends over. */
export type Sender = {
  readonly page: string;
  readonly name?: string;
  readonly price?: Price;
  /** What others send over the page is in the log as well. */
  readonly isWatched: boolean;
  /** Without a token nothing is sent over it. */
  readonly sends: boolean;
  readonly changedAt: string;
  /** Why it cannot send now. */
  readonly paused?: string;
};

function isMirror(value: unknown): value is Mirror {
  return (
    isRecord(value) &&
    ['name', 'from', 'state', 'createdAt'].every(name => typeof value[name] === 'string') &&
    ['requestsPerMinute', 'requestsUsed', 'requestsLeft', 'followed'].every(name => typeof value[name] === 'number') &&
    Array.isArray(value.gaps)
  );
}

function isSender(value: unknown): value is Sender {
  if (!isRecord(value) || typeof value.page !== 'string' || typeof value.changedAt !== 'string') return false;
  return typeof value.isWatched === 'boolean' && typeof value.sends === 'boolean';
}

/** Of an answer to `GET /manage/1/mirrors`; `undefined` when it is none. */
export function readMirrors(answer: unknown): readonly Mirror[] | undefined {
  return isRecord(answer) && Array.isArray(answer.mirrors) && answer.mirrors.every(isMirror)
    ? answer.mirrors
    : undefined;
}

/** Of an answer to `GET /manage/1/senders`; `undefined` when it is none. */
export function readSenders(answer: unknown): readonly Sender[] | undefined {
  return isRecord(answer) && Array.isArray(answer.senders) && answer.senders.every(isSender)
    ? answer.senders
    : undefined;
}

/** How often it has let somebody in, as of some seconds ago. */
type Used = { readonly uses: number; readonly lastUsedAt?: string };

/** `isYours`: the call was made with it. */
type Yours = { readonly isYours?: boolean };

/** A key as it may be shown. */
export type Key = {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly applicationId?: string;
  readonly entityId?: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
} & Used &
  Yours;

export type User = { readonly name: string; readonly scopes: readonly string[]; readonly createdAt: string } & Used &
  Yours;

export type Account = {
  readonly name: string;
  readonly createdAt: string;
  readonly requestsPerMinute?: number;
  readonly keys: readonly Key[];
  readonly users: readonly User[];
};

function isUsed(value: Readonly<Record<string, unknown>>): boolean {
  return typeof value.uses === 'number' && typeof value.createdAt === 'string' && Array.isArray(value.scopes);
}

function isKey(value: unknown): value is Key {
  return isRecord(value) && typeof value.id === 'string' && isUsed(value);
}

function isUser(value: unknown): value is User {
  return isRecord(value) && typeof value.name === 'string' && isUsed(value);
}

function isAccount(value: unknown): value is Account {
  if (!isRecord(value) || typeof value.name !== 'string' || typeof value.createdAt !== 'string') return false;
  const { keys, users } = value;
  return Array.isArray(keys) && keys.every(isKey) && Array.isArray(users) && users.every(isUser);
}

/** As it is listed for whoever manages all accounts. */
export type ListedAccount = Pick<Account, 'name' | 'createdAt' | 'requestsPerMinute'>;

/** An answer to `GET /manage/1/accounts`, the newest first; `undefined` when it is none. */
export function readAccounts(
  answer: unknown,
): { readonly accounts: readonly ListedAccount[]; readonly more: number } | undefined {
  if (!isRecord(answer) || !Array.isArray(answer.accounts) || typeof answer.more !== 'number') return undefined;
  return answer.accounts.every(isListedAccount) ? { accounts: answer.accounts, more: answer.more } : undefined;
}

function isListedAccount(value: unknown): value is ListedAccount {
  return isRecord(value) && typeof value.name === 'string' && typeof value.createdAt === 'string';
}

/** An answer to `GET /manage/1/account`; `undefined` when it is none. */
export function readAccount(answer: unknown): Account | undefined {
  return isAccount(answer) ? answer : undefined;
}

import { createHash, type Hash } from 'node:crypto';
import type { AccountId, EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { FolderLog, HeldMessage } from './embedded/offline/folder-log.ts';
import type { CopyTarget } from './postgres/copy/copy-target.ts';
import { likeness, textsOf, type WholeMessage } from './whole-message.ts';

/** What is copied, and where to. */
export type Copy = {
  readonly log: FolderLog;
  readonly target: CopyTarget;
  /** The account of the target for one of the folder; messages without one are left out. */
  readonly accountOf: (account: AccountId) => AccountId | undefined;
  /** Messages that an account of the folder sent before this are past its retention: they are left out. */
  readonly sentSince: (account: AccountId) => EpochMs;
};

/** Messages; `rows` is what was read, whatever became of it. */
export type CopyStep = {
  readonly rows: number;
  readonly copied: number;
  readonly completed: number;
  readonly alreadyThere: number;
  readonly withoutAccount: number;
};

/** Copies what is missing in the target, in the order it was recorded in; a step is durable when it is told. */
export async function* copyLog({ log, target, accountOf, sentSince }: Copy): AsyncGenerator<CopyStep> {
  for (const segment of log.segments)
    for (const { messages, rows } of log.stretches(segment, sentSince)) {
      const { groups, withoutAccount } = byAccount(messages, accountOf);
      for (const [account, held] of groups)
        for (const part of transactionsOf(held)) {
          const done = await target.add({ account, messages: part }, sinceOf(part, sentSince));
          yield { rows: part.length, ...done, withoutAccount: 0 };
        }
      const leftOut = rows - messages.length + withoutAccount;
      if (leftOut > 0) yield { rows: leftOut, copied: 0, completed: 0, alreadyThere: 0, withoutAccount };
    }
}

/** How the messages of one segment stand in the target. */
export type SegmentCheck = {
  readonly name: string;
  readonly messages: number;
  readonly reports: number;
  /** SHA-256 over all of these messages as the folder has them, and as the target has them. */
  readonly expected: string;
  readonly found: string;
  readonly missing: number;
  readonly different: number;
  /** Ids of some that are missing or different. */
  readonly examples: readonly string[];
};

const examplesMax = 3;

/**
 * Reads both sides, and compares every message of a segment with all its reports: for each stretch the rows read so
 * far, for each segment what was found. Reports that the target has beyond the folder's are not held against it.
 */
export async function* checkCopy(copy: Copy): AsyncGenerator<{ readonly rows: number } | SegmentCheck> {
  for (const segment of copy.log.segments) {
    const check = new Check(segment.name);
    for (const { messages, rows } of copy.log.stretches(segment, copy.sentSince)) {
      const { groups, withoutAccount } = byAccount(messages, copy.accountOf);
      for (const [account, held] of groups)
        for (const part of transactionsOf(held)) {
          const ids = part.map(one => one.identity.messageId);
          const found = await copy.target.read(account, ids, sinceOf(part, copy.sentSince));
          const sentSince = sinceOf(part, copy.sentSince);
          // What went past retention while it was looked for may have been dropped.
          for (const message of part)
            if (message.identity.sentAt >= sentSince) check.add(message, found.get(message.identity.messageId));
          yield { rows: part.length };
        }
      yield { rows: rows - messages.length + withoutAccount };
    }
    yield check.result();
  }
}

class Check {
  readonly #name: string;
  readonly #expected: Hash = createHash('sha256');
  readonly #found: Hash = createHash('sha256');
  readonly #examples: string[] = [];
  #messages = 0;
  #reports = 0;
  #missing = 0;
  #different = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add(original: WholeMessage, copy: WholeMessage | undefined): void {
    const expected = textsOf(original);
    const found = copy === undefined ? [] : textsOf(copy).slice(0, expected.length);
    for (const text of expected) this.#expected.update(text).update('\n');
    for (const text of found) this.#found.update(text).update('\n');
    this.#messages++;
    this.#reports += original.reports.length;
    if (likeness(found, expected) === 'same') return;
    if (copy === undefined) this.#missing++;
    else this.#different++;
    if (this.#examples.length < examplesMax) this.#examples.push(original.identity.messageId);
  }

  result(): SegmentCheck {
    return {
      name: this.#name,
      messages: this.#messages,
      reports: this.#reports,
      expected: this.#expected.digest('hex'),
      found: this.#found.digest('hex'),
      missing: this.#missing,
      different: this.#different,
      examples: this.#examples,
    };
  }
}

/** Of messages of one account. */
function sinceOf([first]: readonly HeldMessage[], sentSince: Copy['sentSince']): EpochMs {
  return first === undefined ? Number.NEGATIVE_INFINITY : sentSince(first.account);
}

/** Parts that one transaction takes. */
function* transactionsOf(messages: readonly HeldMessage[]): Generator<readonly HeldMessage[]> {
  let [from, chars] = [0, 0];
  for (const [i, { identity }] of messages.entries()) {
    const length = identity.contentJson.length;
    if (i > from && (i - from === limits.copyRecordsMax || chars + length > limits.copyCharsMax)) {
      yield messages.slice(from, i);
      [from, chars] = [i, 0];
    }
    chars += length;
  }
  if (from < messages.length) yield messages.slice(from);
}

function byAccount(messages: readonly HeldMessage[], accountOf: Copy['accountOf']) {
  const groups = new Map<AccountId, HeldMessage[]>();
  let withoutAccount = 0;
  for (const message of messages) {
    const account = accountOf(message.account);
    if (account === undefined) withoutAccount++;
    else {
      const group = groups.get(account) ?? [];
      group.push(message);
      groups.set(account, group);
    }
  }
  return { groups, withoutAccount };
}

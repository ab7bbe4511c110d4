import type { AccountId, EpochMs } from '../domain/message.ts';
import { Refused } from '../failures.ts';

/** Something the operator can put right; `message` is one line that says what. */
export class MirrorError extends Refused {
  override name = 'MirrorError';
}

/** The mirror was removed while somebody worked for it. */
export class MirrorGone extends MirrorError {
  constructor() {
    super('there is no such mirror any more');
    this.name = 'MirrorGone';
  }
}

/** Why a mirror rests: somebody told it to, or the other side refused its key. */
export type Pause = { readonly reason: string; readonly at: EpochMs };

/** What it came to to ask both sides the same questions. */
export type Check = {
  /** When it was over. */
  readonly at: EpochMs;
  /** The messages that were compared were sent from `from` on, up to but without `until`, by the other side's clock. */
  readonly from: EpochMs;
  readonly until: EpochMs;
  readonly messages: number;
  /** Questions that both sides were asked. */
  readonly questions: number;
  /** Fields that differ, and messages that one side alone has; 0 is as it should be. */
  readonly differences: number;
};

/** An account of another log that is kept here, in an account of ours. */
export type Mirror = {
  readonly id: number;
  /** Of all mirrors only one has it. */
  readonly name: string;
  readonly account: AccountId;
  /** Where the other log is, such as `https://xyz.api.infobip.com`. */
  readonly from: string;
  /** The key to the other log as `Secrets` sealed it, for `keyOwner`. */
  readonly sealedKey: string;
  /** What it may ask a minute; a hard bound. */
  readonly requestsPerMinute: number;
  /** How far back it reads at first. */
  readonly sinceMs: number;
  readonly createdAt: EpochMs;
  readonly pause?: Pause;
  /** The last one, whatever process did it. */
  readonly lastCheck?: Check;
};

export type NewMirror = Omit<Mirror, 'id' | 'sealedKey' | 'pause' | 'lastCheck'>;
export type MirrorChanges = Partial<Pick<Mirror, 'from' | 'sealedKey' | 'requestsPerMinute'>>;

/** Binds a sealed key to its mirror. */
export const keyOwner = (name: string) => `the key of the mirror ${name}`;

/** A message whose status is not final, as of when it was asked for last. */
export type Followed = {
  readonly messageId: string;
  readonly sentAt: EpochMs;
  /** When its id is to be asked for, by the clock of the other side; of one that is pending, when it has left. */
  readonly dueAt: EpochMs;
  /** It is not among those that are pending, which are found by time. */
  readonly isById: boolean;
};

/** How many messages are followed, and how many of them only their ids find. */
export type Following = { readonly messages: number; readonly byId: number };

/** What a step leaves behind, kept as one. */
export type Kept = {
  /** As `writePlace` gives it. */
  readonly place: string;
  /** To be followed from now on, or asked for at another time. */
  readonly follow: readonly Followed[];
  /** Of the range of `sentAt` all that are pending are in `follow`: the others that were have changed, and are due by their ids. */
  readonly pendingOf?: { readonly from: EpochMs; readonly until: EpochMs };
  /** No longer to be followed; ids that are not are welcome. */
  readonly unfollow: readonly string[];
};

/** Requests of the last minute that a mirror made, and those of them that can wait. */
export type Spent = { readonly requests: number; readonly patient: number };

/** `all` bounds every request of a minute, `patient` those that can wait. */
export type Budget = { readonly all: number; readonly patient: number };

/**
 * Where mirrors and their places are kept: for a server, and for the commands beside it. It keeps what it is given: the
 * rules are those of `Mirrors`. Calls reject with `Unavailable` when it cannot be read or kept now.
 */
export interface MirrorRows {
  /** `undefined` when the name is taken. */
  add(mirror: NewMirror, sealedKey: string): Promise<Mirror | undefined>;
  /** By name. */
  mirrors(): Promise<readonly Mirror[]>;
  change(id: number, changes: MirrorChanges): Promise<void>;
  /** `undefined` lets it go on. */
  pause(id: number, pause: Pause | undefined): Promise<void>;
  checked(id: number, check: Check): Promise<void>;
  /** With all that is kept of it; `false` when there is no such mirror. */
  remove(id: number): Promise<boolean>;

  /**
   * Whether `holder` alone may run the mirror for the next `leaseMs`, by the clock of the place: it has the lease already,
   * or nobody has. Where only one process can have the place open, it always may.
   */
  lease(id: number, holder: string, leaseMs: number): Promise<boolean>;
  /** Gives the lease back at once, if `holder` has it. */
  release(id: number, holder: string): Promise<void>;

  /** What the last step left; `undefined` before the first. */
  place(id: number): Promise<string | undefined>;
  /**
   * Keeps what a step left. What was pending in `pendingOf`, and is not in `follow`, is due since it was sent: before all that is
   * only to be looked at again. `false`, and nothing is kept, when `holder` has no lease any more or the mirror is gone.
   */
  keep(id: number, holder: string, kept: Kept): Promise<boolean>;
  /**
   * Followed messages that are due at a moment, the longest overdue first: of those sent after `youngSince` so many at most,
   * and as many of the others.
   */
  due(id: number, at: EpochMs, youngSince: EpochMs, limit: number): Promise<readonly Followed[]>;
  followed(id: number): Promise<Following>;
  /** What the other side told of is final: it need not be asked for. */
  unfollow(id: number, messageIds: readonly string[]): Promise<void>;

  /**
   * Counts one request if the budget has room for it, durably: also after a kill -9, and when several processes ask.
   * `undefined` when it was counted, else the time until there may be room. Rejects with `MirrorGone` when there is no
   * such mirror: nothing would bound its requests.
   */
  spend(id: number, at: EpochMs, budget: Budget, isPatient: boolean): Promise<number | undefined>;
  spent(id: number, at: EpochMs): Promise<Spent>;

  close(): Promise<void>;
}

import type { AccountId } from '../../../domain/message.ts';
import type { LogEnd } from '../segment/position.ts';

/**
 * How far the log had come when each account last recorded. What an account is shown is bounded by that and not by the
 * end of the log: a bound that moves when others record would tell that they did.
 */
export class AccountWatermarks {
  /** For those who recorded nothing since the start. */
  #begun: LogEnd = { position: 0, sequence: 0 };
  readonly #ends = new Map<AccountId, LogEnd>();

  /** Of all that have recorded nothing since. */
  begin(end: LogEnd): void {
    this.#begun = end;
  }

  move(account: AccountId, end: LogEnd): void {
    this.#ends.set(account, end);
  }

  of(account: AccountId): LogEnd {
    return this.#ends.get(account) ?? this.#begun;
  }
}

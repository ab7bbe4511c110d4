import type { EpochMs } from '../../domain/message.ts';
import type { Transaction } from '../../postgres/session.ts';

/** Stands for one try of a transaction that several works share. */
export type Group = object;

type Work<T> = (session: Transaction, records: readonly T[], now: EpochMs) => Promise<void>;
type Asked<T> = { readonly records: T[]; now: EpochMs; done?: Promise<void> };

/** Records that several works of a group have of one kind: the first of them does what is to be done for all. */
export class Joint<T> {
  readonly #work: Work<T>;
  readonly #asked = new WeakMap<Group, Asked<T>>();

  constructor(work: Work<T>) {
    this.#work = work;
  }

  /** Before any work of the group begins. */
  join(group: Group, records: readonly T[], now: EpochMs): void {
    const asked = this.#asked.get(group) ?? { records: [], now };
    asked.records.push(...records);
    asked.now = Math.max(asked.now, now);
    this.#asked.set(group, asked);
  }

  perform(group: Group, session: Transaction): Promise<void> {
    const asked = this.#asked.get(group);
    if (asked === undefined) throw new RangeError('a work joined no group');
    asked.done ??= this.#work(session, asked.records, asked.now);
    return asked.done;
  }
}

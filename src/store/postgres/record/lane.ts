import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { type Load, loadOf } from '../../queue-room.ts';
import type { RecordBatch } from '../../store.ts';
import type { Slice } from '../rows/slices.ts';
import type { Led, Way } from './parts.ts';

/** Records of one transaction: its locks are held for as long as it takes to write them. */
const groupRecordsMax = limits.batchRecordsMax;
const much: Load = { records: groupRecordsMax / 2, chars: limits.groupCharsMax / 2 };

/** Whether partitions are missing for messages of these moments. */
type Lacks = (sentAts: Iterable<EpochMs>) => boolean;

/** What goes to one slice, in the order it came, and the ids that the transactions at work on it have. */
export class Lane {
  readonly key: string;
  readonly account: AccountId;
  readonly slice: Slice;
  readonly known: boolean;
  /** Those at work, but for those aside. */
  transactions = 0;
  readonly #atWork = new Set<string>();
  /** Of these, the ids that wait for a partition. */
  readonly #aside = new Set<string>();
  #waiting: Led[] = [];
  /** Nothing can be taken until something comes or ends. */
  #isBlocked = false;

  constructor(account: AccountId, { slice, known }: Way) {
    this.key = keyOf({ slice, known });
    this.account = account;
    this.slice = slice;
    this.known = known;
  }

  get isAtWork(): boolean {
    return this.#atWork.size > 0;
  }

  get isIdle(): boolean {
    return !this.isAtWork && this.#waiting.length === 0;
  }

  /** So much waits that it is worth a transaction of its own. */
  get isMuch(): boolean {
    let [records, chars] = [0, 0];
    return this.#waiting.some(({ batch }) => {
      const load = loadOf(batch);
      records += load.records;
      chars += load.chars;
      return records >= much.records || chars >= much.chars;
    });
  }

  put(led: Led): void {
    this.#waiting.push(led);
    this.#isBlocked = false;
  }

  takeBack(): readonly Led[] {
    const back = this.#waiting;
    this.#waiting = [];
    return back;
  }

  /**
   * The next batches that fit into one transaction: none that must wait for one at work, or for one that waits; and where
   * partitions are missing, not those that need them with those that do not, which would wait for them too.
   */
  take(lacks: Lacks): readonly Led[] {
    if (this.#isBlocked || this.#waiting.length === 0) return [];
    const [taken, left, held]: [Led[], Led[], Set<string>] = [[], [], new Set()];
    let [records, chars] = [0, 0];
    let isLacking: boolean | undefined;
    for (const [i, one] of this.#waiting.entries()) {
      const { submissions } = one.batch;
      const isHeld = submissions.some(({ messageId }) => this.#atWork.has(messageId) || held.has(messageId));
      const lacking = isHeld || lacks(sentAtsOf(one.batch));
      if (isHeld || lacking !== (isLacking ?? lacking)) {
        left.push(one);
        for (const { messageId } of submissions) held.add(messageId);
        continue;
      }
      const load = loadOf(one.batch);
      records += load.records;
      chars += load.chars;
      if (taken.length > 0 && (records > groupRecordsMax || chars > limits.groupCharsMax)) {
        left.push(...this.#waiting.slice(i));
        break;
      }
      isLacking = lacking;
      taken.push(one);
    }
    this.#waiting = left;
    this.#isBlocked = taken.length === 0;
    return taken;
  }

  begin(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#atWork.add(id);
    this.transactions++;
  }

  end(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#atWork.delete(id);
    this.transactions--;
    this.#isBlocked = false;
  }

  /** While `wait` takes, others of the slice go on. */
  async aside(ids: ReadonlySet<string>, wait: () => Promise<void>): Promise<void> {
    for (const id of ids) this.#aside.add(id);
    this.transactions--;
    try {
      await wait();
    } finally {
      this.transactions++;
      for (const id of ids) this.#aside.delete(id);
    }
  }

  /** What waits for an id that waits for a partition, be it by others that do. */
  behindAside(): readonly Led[] {
    if (this.#aside.size === 0) return [];
    const held = new Set(this.#aside);
    return this.#waiting.filter(({ batch: { submissions } }) => {
      const isBehind = submissions.some(({ messageId }) => held.has(messageId));
      if (isBehind) for (const { messageId } of submissions) held.add(messageId);
      return isBehind;
    });
  }

  remove(led: ReadonlySet<Led>): void {
    this.#waiting = this.#waiting.filter(one => !led.has(one));
    this.#isBlocked = false;
  }
}

export function keyOf({ slice, known }: Way): string {
  return `${slice} ${known}`;
}

export function idsOf(taken: readonly Pick<Led, 'batch'>[]): ReadonlySet<string> {
  return new Set(taken.flatMap(({ batch }) => batch.submissions.map(one => one.messageId)));
}

/** The moments of what may be a new message. */
function sentAtsOf({ submissions, receivedAt, sentSince }: RecordBatch): Iterable<EpochMs> {
  return new Set(submissions.map(({ sentAt = receivedAt }) => sentAt).filter(sentAt => sentAt >= sentSince));
}

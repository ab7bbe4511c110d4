import { allows, type Principal } from '../../accounts/authenticator.ts';
import type { Binding, Submission, Violation } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { RecordOutcome, Rejection } from '../../store/store.ts';
import { parseRecord, parseRecordText, type Unregistered } from '../../wire/record/log-record.ts';
import type { Line } from '../body/lines.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { RecordCounts } from '../metrics/metrics.ts';
import { RejectionList } from './rejection-list.ts';

/**
 * What of one request the store has at once, in batches of the greatest length: one that it works on and the next. What is
 * under way lives through young collections, and has the heap grow by a multiple of it.
 */
const batchesUnderWayMax = 2;

/** Characters of records in such a batch: a thousand of them with the longest content would be 64 MiB, several times over. */
const batchCharsMax = 512 * 1024;

/** Violations of a 400 that says why every record was rejected. */
const toldViolationsMax = 1000;

type Batch = {
  readonly submissions: Submission[];
  readonly indexes: number[];
  /** Of `submissions` those whose content has flaws, by their places. */
  readonly flawed: Set<number>;
};

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf' | 'content'>;

/**
 * Takes the records of one request in their order, hands them to the store in batches, and gathers the outcome.
 * Give records with `add`; when it says the batch is full, wait for `flush`. End with `finish`, or with `settle` where
 * the request failed.
 */
export class Recording {
  readonly #deps: Deps;
  readonly #principal: Principal;
  readonly #mayRead: boolean;
  readonly #underWay = new Set<Promise<void>>();
  readonly #rejections = new RejectionList();
  #flawed = 0;
  readonly #counts = { recorded: 0, updated: 0, unchanged: 0, waiting: 0, rejected: 0 };
  readonly #unregistered = { status: 0, error: 0, 'content type': 0, 'further field': 0 };
  #batch: Batch = { submissions: [], indexes: [], flawed: new Set() };
  #batchChars = 0;
  #taken = 0;
  #failure: { readonly error: unknown } | undefined;

  readonly #lost: AbortSignal;
  /** Into how many the greatest batch is cut for this store. */
  readonly #parts: number;

  /** `lost` aborts, with an `ApiError`, when the caller is shut out: nothing is recorded from then on. */
  constructor(deps: Deps, principal: Principal, lost: AbortSignal) {
    this.#deps = deps;
    this.#principal = principal;
    this.#mayRead = allows(principal, 'messenger:logs:read');
    this.#lost = lost;
    this.#parts = Math.ceil(limits.batchRecordsMax / deps.store.batchRecords);
  }

  /** Whether the batch is now full. */
  add(line: Line): boolean {
    const index = this.#taken++;
    if (line.text === undefined) {
      this.#reject({ index, violations: [{ property: '', violation: line.flaw }] });
      return false;
    }
    const parsed = 'value' in line ? parseRecord(line.value, line.text) : parseRecordText(line.text);
    if (parsed.submission === undefined) {
      this.#reject({ index, ...parsed });
      return false;
    }
    const { contentFlaws = [] } = parsed;
    if (contentFlaws.length > 0 && this.#deps.content === 'strict') {
      this.#reject({ index, messageId: parsed.submission.messageId, violations: contentFlaws });
      return false;
    }
    const { submission, violations } = bound(parsed.submission, this.#principal.binding);
    if (violations.length > 0) {
      this.#reject({ index, messageId: submission.messageId, violations });
      return false;
    }
    for (const kind of parsed.unregistered ?? []) this.#unregistered[kind]++;
    if (contentFlaws.length > 0) this.#batch.flawed.add(this.#batch.submissions.length);
    this.#batch.submissions.push(submission);
    this.#batch.indexes.push(index);
    this.#batchChars += line.text.length;
    return (
      this.#batch.submissions.length * this.#parts >= limits.batchRecordsMax ||
      this.#batchChars * this.#parts >= batchCharsMax
    );
  }

  /** Hands over what has gathered; waits while the store has enough of this request already. */
  async flush(): Promise<void> {
    // The oldest is done first.
    for (const [oldest] = this.#underWay; this.#underWay.size >= batchesUnderWayMax * this.#parts; ) await oldest;
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#lost.throwIfAborted();
    if (this.#batch.submissions.length === 0) return;
    const batch = this.#batch;
    this.#batch = { submissions: [], indexes: [], flawed: new Set() };
    this.#batchChars = 0;
    this.#track(this.#record(batch));
  }

  #track(recording: Promise<void>): void {
    const done = recording.finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Waits until the store has answered for all it was given. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** The answer, once everything is durable. An `ApiError` 400 when no record was accepted. */
  async finish(): Promise<string> {
    await this.flush();
    await this.settle();
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#taken === 0)
      throw new ApiError('E400', { violations: [{ property: 'results', violation: 'must have at least one record' }] });
    const listed = this.#rejections.first();
    if (this.#counts.rejected === this.#taken) throw new ApiError('E400', { violations: told(listed) });
    const { waiting, rejected } = this.#counts;
    return JSON.stringify({
      ...this.#accepted(),
      ...(waiting > 0 && { waiting }),
      ...(this.#flawed > 0 && { flawed: this.#flawed }),
      rejected: listed.map(listedRejection),
      ...(rejected > listed.length && { rejectedCount: rejected }),
    });
  }

  /** That a report changes nothing tells that the message is so already: whoever may not read could try any status or price. */
  #accepted(): Pick<RecordCounts, 'recorded' | 'updated' | 'unchanged'> {
    const { recorded, updated, unchanged } = this.#counts;
    return this.#mayRead ? { recorded, updated, unchanged } : { recorded, updated: updated + unchanged, unchanged: 0 };
  }

  /** For a caller who was shut out meanwhile: where recording ended, once all that the store was given is durable. */
  ended(): Violation {
    const { recorded, updated, unchanged } = this.#accepted();
    const index = this.#batch.indexes[0] ?? this.#taken;
    return {
      property: `results[${index}]`,
      violation:
        'and what follows was not recorded, since the credential is no longer good; of what came before it ' +
        `${recorded} recorded, ${updated} updated, ${unchanged} unchanged`,
    };
  }

  /** What the lists of this version do not have, in the records so far. */
  get unregistered(): Readonly<Record<Unregistered, number>> {
    return this.#unregistered;
  }

  /** Contents that were taken though they are not as the vendor's schema has them. */
  get flawed(): number {
    return this.#flawed;
  }

  /** What came of the records so far, for the metrics. */
  get counts(): RecordCounts {
    return this.#counts;
  }

  /**
   * Never rejects: a failure is kept for the next `flush`. Not an async function, whose frame would keep the records
   * alive until they are durable, when the store has long packed them up.
   */
  #record({ submissions, indexes, flawed }: Batch): Promise<void> {
    const { store, clock, retentionOf } = this.#deps;
    const { account, binding } = this.#principal;
    const receivedAt = clock();
    const batch = {
      account: account.id,
      binding,
      receivedAt,
      sentSince: receivedAt - retentionOf(account.id),
      mayRead: this.#mayRead,
      submissions,
    };
    return store.record(batch).then(
      outcome => this.#count(outcome, indexes, flawed),
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }

  #count(
    { recorded, updated, unchanged, waiting, rejected }: RecordOutcome,
    indexes: readonly number[],
    flawed: ReadonlySet<number>,
  ): void {
    this.#flawed += flawed.size - rejected.filter(({ index }) => flawed.has(index)).length;
    this.#counts.recorded += recorded;
    this.#counts.updated += updated;
    this.#counts.unchanged += unchanged;
    this.#counts.waiting += waiting;
    for (const rejection of rejected) {
      const index = indexes[rejection.index];
      if (index === undefined) throw new RangeError('the store rejected a record that it was not given');
      this.#reject({ ...rejection, index });
    }
  }

  #reject(rejection: Rejection): void {
    this.#counts.rejected++;
    this.#rejections.add(rejection);
  }
}

/** A bound key writes only its own application's or entity's messages: their ids are filled in. */
function bound(submission: Submission, binding: Binding): { submission: Submission; violations: readonly Violation[] } {
  if (binding.applicationId === undefined && binding.entityId === undefined) return { submission, violations: [] };
  const violations: Violation[] = [];
  for (const name of ['entityId', 'applicationId'] as const)
    if (binding[name] !== undefined && submission[name] !== undefined && submission[name] !== binding[name])
      violations.push({ property: `platform.${name}`, violation: 'is not the one that this key is bound to' });
  return { submission: { ...submission, ...binding }, violations };
}

function listedRejection({ index, messageId, violations }: Rejection): Rejection {
  const named = violations.map(({ property, violation }) => ({ property: property || 'record', violation }));
  return { index, ...(messageId !== undefined && { messageId }), violations: named };
}

function told(rejections: readonly Rejection[]): Violation[] {
  const violations = rejections.values().flatMap(({ index, violations }) =>
    violations.map(({ property, violation }) => ({
      property: property === '' ? `results[${index}]` : `results[${index}].${property}`,
      violation,
    })),
  );
  return [...violations.take(toldViolationsMax)];
}

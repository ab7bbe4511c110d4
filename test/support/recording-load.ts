import { setTimeout as wait } from 'node:timers/promises';
import type { Log, LogSubmission } from '../../src/client/types.ts';
import { type Answer, eventually, type LogCalls, numbered, recordAnswer } from './log-calls.ts';

/** The statuses a message of this load goes through; a report moves it one step. */
const steps: readonly string[] = ['PENDING_ACCEPTED', 'DELIVERED_TO_OPERATOR', 'DELIVERED_TO_HANDSET'];
const lastStep = steps.length - 1;

type Entry = {
  readonly number: number;
  readonly sentAt: number;
  /** Answered with 200. */
  confirmed: boolean;
  reportsSent: number;
  reportsConfirmed: number;
};

type Kind = 'messages' | 'reports';

type Job = { readonly kind: Kind; readonly entries: readonly Entry[]; readonly records: readonly LogSubmission[] };

const faultsShownMax = 10;

/** What was sent to a log and what of it was answered with 200, to be compared with what the log shows. */
export class Ledger {
  /** What the log answered that it should not have. */
  readonly wrongAnswers: string[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #firstSentAt: number;
  /** Without an answer: they are sent again, as a program would that must not lose them. */
  readonly #unanswered: Job[] = [];
  readonly #reportable: Entry[] = [];
  #confirmedRecords = 0;

  constructor(firstSentAt: number) {
    this.#firstSentAt = firstSentAt;
  }

  get confirmedRecords(): number {
    return this.#confirmedRecords;
  }

  get messages(): number {
    return this.#entries.size;
  }

  get unanswered(): number {
    return this.#unanswered.length;
  }

  /** Something to send: what got no answer before, or something new; `undefined` when there is nothing to report on. */
  take(kind: Kind, count: number, onlyUnanswered: boolean): { job: Job; repeated: boolean } | undefined {
    const at = this.#unanswered.findIndex(job => job.kind === kind && job.records.length <= count);
    const [old] = at === -1 ? [] : this.#unanswered.splice(at, 1);
    if (old !== undefined) return { job: old, repeated: true };
    if (onlyUnanswered) return undefined;
    const job = kind === 'messages' ? this.#newMessages(count) : this.#newReports(count);
    return job === undefined ? undefined : { job, repeated: false };
  }

  unansweredJob(job: Job): void {
    this.#unanswered.push(job);
  }

  confirm(job: Job, repeated: boolean, answer: Answer): void {
    const { recorded, updated, unchanged, rejected } = recordAnswer(answer);
    const done = job.kind === 'messages' ? recorded : updated;
    const count = job.entries.length;
    // What was sent before may have been kept without an answer.
    if (rejected.length > 0 || done + (repeated ? unchanged : 0) !== count)
      this.wrongAnswers.push(`${count} ${job.kind}${repeated ? ' sent again' : ''}: ${answer.text.slice(0, 300)}`);
    this.#confirmedRecords += count;
    for (const entry of job.entries) {
      if (job.kind === 'messages') entry.confirmed = true;
      else entry.reportsConfirmed++;
      if (entry.reportsConfirmed < lastStep) this.#reportable.push(entry);
    }
  }

  /** What a full walk over the log shows wrong, lost or twice. */
  faults(logs: readonly Log[]): readonly string[] {
    const faults: string[] = [];
    const seen = new Set<string>();
    let before = Infinity;
    for (const log of logs) {
      const entry = this.#entries.get(log.messageId);
      if (entry === undefined) faults.push(`${log.messageId} was never sent`);
      else faults.push(...faultsOf(log, entry));
      if (seen.has(log.messageId)) faults.push(`${log.messageId} is there twice`);
      seen.add(log.messageId);
      const sentAt = Date.parse(log.sentAt);
      if (sentAt > before) faults.push(`${log.messageId} is out of order`);
      before = sentAt;
    }
    for (const [messageId, entry] of this.#entries)
      if (entry.confirmed && !seen.has(messageId)) faults.push(`${messageId} is lost`);
    return faults.slice(0, faultsShownMax);
  }

  /** What is wrong with the timelines of the messages that were reported on: every `stride`th of them. */
  async timelineFaults(calls: LogCalls, stride: number): Promise<readonly string[]> {
    const faults: string[] = [];
    const reported = [...this.#entries.values()].filter(entry => entry.reportsSent > 0);
    const queue = reported.filter((_, i) => i % stride === 0).values();
    const work = async () => {
      for (const { number, reportsSent, reportsConfirmed } of queue) {
        const history = await calls.history(`message-${number}`);
        const shown = history?.timeline.map(entry => entry.status.name) ?? [];
        const right =
          shown.length > reportsConfirmed && shown.length <= reportsSent + 1 && shown.every((s, i) => s === steps[i]);
        if (!right)
          faults.push(`message-${number}: ${shown.join()} after ${reportsConfirmed} of ${reportsSent} reports`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    return faults.slice(0, faultsShownMax);
  }

  #newMessages(count: number): Job {
    const entries = Array.from({ length: count }, () => {
      const number = this.#entries.size;
      // Ten share a millisecond, so that a walk must tell equal times apart.
      const sentAt = this.#firstSentAt + Math.floor(number / 10);
      const entry: Entry = { number, sentAt, confirmed: false, reportsSent: 0, reportsConfirmed: 0 };
      this.#entries.set(`message-${number}`, entry);
      return entry;
    });
    const records = entries.map(({ number, sentAt }) => numbered(number, { sentAt: new Date(sentAt).toISOString() }));
    return { kind: 'messages', entries, records };
  }

  /** Half of them on the messages that wait longest, half on the newest. */
  #newReports(count: number): Job | undefined {
    const oldest = this.#reportable.splice(0, Math.ceil(count / 2));
    const newest = this.#reportable.splice(-Math.max(1, Math.floor(count / 2)));
    const entries = [...oldest, ...newest].slice(0, count);
    this.#reportable.push(...[...oldest, ...newest].slice(count));
    if (entries.length === 0) return undefined;
    const records = entries.map(entry => {
      entry.reportsSent++;
      const at = new Date(entry.sentAt + 1000 * entry.reportsSent).toISOString();
      return { messageId: `message-${entry.number}`, status: { name: steps[entry.reportsSent] ?? '' }, at };
    });
    return { kind: 'reports', entries, records };
  }
}

function faultsOf(log: Log, entry: Entry): readonly string[] {
  const expected = numbered(entry.number);
  const faults: string[] = [];
  const same =
    log.sender === expected.sender &&
    log.destination === expected.destination &&
    log.content.text === expected.content?.text &&
    Date.parse(log.sentAt) === entry.sentAt;
  if (!same) faults.push(`${log.messageId} is not what was sent: ${JSON.stringify(log)}`);
  const step = steps.indexOf(log.status.name ?? '');
  if (step < entry.reportsConfirmed || step > entry.reportsSent)
    faults.push(
      `${log.messageId} is ${log.status.name} after ${entry.reportsConfirmed} of ${entry.reportsSent} reports`,
    );
  return faults;
}

export type Lane = { readonly kind: Kind; readonly form: 'json' | 'ndjson'; readonly recordsPerRequest: number };

/** Batches and single records, messages and reports, each lane over a connection of its own. */
export const mixedLanes: readonly Lane[] = [
  { kind: 'messages', form: 'ndjson', recordsPerRequest: 150 },
  { kind: 'messages', form: 'ndjson', recordsPerRequest: 400 },
  { kind: 'messages', form: 'json', recordsPerRequest: 1 },
  { kind: 'messages', form: 'json', recordsPerRequest: 1 },
  { kind: 'messages', form: 'json', recordsPerRequest: 1 },
  { kind: 'reports', form: 'ndjson', recordsPerRequest: 100 },
  { kind: 'reports', form: 'json', recordsPerRequest: 1 },
  { kind: 'reports', form: 'json', recordsPerRequest: 1 },
];

/** Records without pause until it is stopped, or the server is gone or refuses. */
export class Load {
  /** Answers other than 200. */
  readonly refusals: Answer[] = [];
  /** Why requests got no answer. */
  readonly failures: Error[] = [];
  readonly #ledger: Ledger;
  readonly #calls: LogCalls;
  readonly #finished: Promise<unknown>;
  readonly #confirmedBefore: number;
  #stopped = false;

  constructor(ledger: Ledger, calls: LogCalls, lanes: readonly Lane[] = mixedLanes, onlyUnanswered = false) {
    this.#ledger = ledger;
    this.#calls = calls;
    this.#confirmedBefore = ledger.confirmedRecords;
    this.#finished = Promise.all(lanes.map(lane => this.#run(lane, onlyUnanswered)));
  }

  /** Sends what got no answer again, and nothing else. */
  static async repeatUnanswered(ledger: Ledger, calls: LogCalls): Promise<void> {
    const load = new Load(ledger, calls, mixedLanes, true);
    await load.finished();
    const [refusal] = load.refusals;
    if (refusal !== undefined) throw new Error(`sent again, and answered ${refusal.status}: ${refusal.text}`);
    const [failure] = load.failures;
    if (failure !== undefined) throw failure;
  }

  confirmed(records: number): Promise<void> {
    return eventually(`${records} records are recorded`, () => {
      if (this.refusals.length > 0) throw new Error(`answered ${this.refusals[0]?.status}: ${this.refusals[0]?.text}`);
      return this.#ledger.confirmedRecords - this.#confirmedBefore >= records;
    });
  }

  /** Resolves when no request is on its way any more. */
  async finished(): Promise<void> {
    await this.#finished;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#finished;
  }

  async #run({ kind, form, recordsPerRequest }: Lane, onlyUnanswered: boolean): Promise<void> {
    while (!this.#stopped) {
      const taken = this.#ledger.take(kind, recordsPerRequest, onlyUnanswered);
      if (taken === undefined) {
        if (onlyUnanswered) return;
        await wait(2);
        continue;
      }
      const answer = await this.#post(taken.job, form);
      if (answer?.status === 200) this.#ledger.confirm(taken.job, taken.repeated, answer);
      else {
        this.#ledger.unansweredJob(taken.job);
        if (answer !== undefined) this.refusals.push(answer);
        return;
      }
    }
  }

  async #post({ records }: Job, form: Lane['form']): Promise<Answer | undefined> {
    try {
      return await (form === 'json' ? this.#calls.postJson(records) : this.#calls.postNdjson(records));
    } catch (error) {
      this.failures.push(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }
}

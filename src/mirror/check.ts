import { isDeepStrictEqual } from 'node:util';
import type { EpochMs } from '../domain/message.ts';
import { statusGroupNames } from '../domain/registry.ts';
import { limits } from '../limits.ts';
import { parseDateTime } from '../wire/date-time.ts';
import { isPlainObject } from '../wire/record-flaws.ts';
import { limitedMs } from './pace.ts';
import { type Question, writtenId } from './plan.ts';
import { MirrorError } from './rows.ts';
import type { Ask, Rows } from './upstream.ts';

/** What one side says otherwise than the other; absent where a side does not have it. */
export type Difference = {
  readonly messageId: string;
  /** A path such as `status.name`; `message` when one side does not have it at all. */
  readonly field: string;
  readonly theirs?: unknown;
  readonly ours?: unknown;
  /** The question it showed in, when it is more than a range of time. */
  readonly question?: string;
};

export type CheckOptions = {
  readonly theirs: Ask;
  readonly ours: Ask;
  /** By the other side's clock, both. */
  readonly from: EpochMs;
  readonly until: EpochMs;
  readonly wait: (ms: number) => Promise<void>;
};

export type Checked = {
  readonly messages: number;
  readonly questions: number;
  readonly differences: readonly Difference[];
};

type Log = Readonly<Record<string, unknown>>;
type Logs = ReadonlyMap<string, Log>;

const stretchMs = 3_600_000;
/** A message may change between two answers: what differs is asked for again, so many times. */
const looksMax = 4;
const lookPauseMs = 8000;
const triesMax = 6;

/**
 * Asks both sides the same questions: every message of a stretch of time, hour by hour, by walks; then each filter with
 * values that the messages have. Rejects with `MirrorError` when a side gives no answer.
 */
export class Check {
  readonly #options: CheckOptions;
  readonly #differences: Difference[] = [];
  #messages = 0;
  #questions = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  async run(): Promise<Checked> {
    const { from, until } = this.#options;
    let sample: Logs = new Map();
    for (let end = until; end > from; end -= stretchMs) {
      const range = { sentSince: Math.max(from, end - stretchMs), sentUntil: end };
      const theirs = await this.#walk(this.#options.theirs, range);
      const ours = await this.#walk(this.#options.ours, range);
      this.#messages += theirs.size;
      await this.#settle(differences(theirs, ours, undefined), {});
      if (theirs.size > sample.size && sample.size < sampleMin) sample = theirs;
    }
    for (const filters of filtersOf(sample)) await this.#filtered(filters);
    return { messages: this.#messages, questions: this.#questions, differences: this.#differences };
  }

  async #filtered(filters: Readonly<Record<string, string>>): Promise<void> {
    const { from, until } = this.#options;
    const question = { sentSince: from, sentUntil: until, filters };
    const [theirs, ours] = [
      await this.#page(this.#options.theirs, question),
      await this.#page(this.#options.ours, question),
    ];
    // Where there is more than a page, both are whole down to the later of their ends.
    const whole = Math.max(endOf(theirs), endOf(ours));
    const within = (rows: Rows) => new Map([...logsOf(rows)].filter(([, log]) => sentAt(log) > whole));
    const asked = Object.entries(filters)
      .map(pair => pair.join('='))
      .join('&');
    await this.#settle(differences(within(theirs), within(ours), asked), filters);
  }

  /** Takes what still differs when both sides are asked again for these messages alone. */
  async #settle(found: readonly Difference[], filters: Readonly<Record<string, string>>): Promise<void> {
    let left = found;
    for (let look = 1; left.length > 0 && look < looksMax; look++) {
      await this.#options.wait(lookPauseMs);
      const ids = [...new Set(left.map(one => one.messageId))];
      const again: Difference[] = [];
      for (const messageId of listsOf(ids)) {
        const question = { filters: { ...filters, messageId } };
        const [theirs, ours] = [
          await this.#page(this.#options.theirs, question),
          await this.#page(this.#options.ours, question),
        ];
        again.push(...differences(logsOf(theirs), logsOf(ours), left[0]?.question));
      }
      left = again;
    }
    this.#differences.push(...left);
  }

  async #walk(ask: Ask, range: { readonly sentSince: EpochMs; readonly sentUntil: EpochMs }): Promise<Logs> {
    const logs = new Map<string, Log>();
    for (let question: Question = range; ; ) {
      const rows = await this.#page(ask, question);
      for (const [id, log] of logsOf(rows)) logs.set(id, log);
      const end = endOf(rows);
      if (rows.next !== undefined) question = { ...range, cursor: rows.next };
      else if (rows.hasCursor || rows.results.length < limits.pageLogsMax) return logs;
      else if (end + 1 === question.sentUntil)
        throw new MirrorError('more messages share one millisecond than a page holds');
      else question = { ...range, sentUntil: end + 1 };
    }
  }

  async #page(ask: Ask, question: Question): Promise<Rows> {
    this.#questions++;
    const { signal } = new AbortController();
    for (let tries = 1; ; tries++) {
      const { rows, failure } = await ask(question, signal);
      if (rows !== undefined) return rows;
      const { reason, retryAfterMs = limitedMs } = { reason: 'asked too often', retryAfterMs: undefined, ...failure };
      if (failure.kind === 'refused' || failure.kind === 'badQuestion' || tries === triesMax)
        throw new MirrorError(reason);
      await this.#options.wait(failure.kind === 'limited' ? retryAfterMs : tries * 1000);
    }
  }
}

/** So many messages have values enough of every filter. */
const sampleMin = 500;
const valuesMax = 2;

/** Questions by each filter alone, with values of the sample: a few that stand often. */
function filtersOf(sample: Logs): readonly Readonly<Record<string, string>>[] {
  const logs = [...sample.values()];
  const common = (value: (log: Log) => unknown) => {
    const counts = new Map<string, number>();
    for (const log of logs) {
      const one = value(log);
      if (typeof one === 'string') counts.set(one, (counts.get(one) ?? 0) + 1);
    }
    return [...counts]
      .sort(([, a], [, b]) => b - a)
      .slice(0, valuesMax)
      .map(([one]) => one);
  };
  const platform = (name: string) => (log: Log) => (isPlainObject(log.platform) ? log.platform[name] : undefined);
  const single = ['sender', 'destination'].flatMap(name => common(log => log[name]).map(value => ({ [name]: value })));
  const bound = ['entityId', 'applicationId'].flatMap(name => common(platform(name)).map(value => ({ [name]: value })));
  const lists = ['bulkId', 'campaignReferenceId', 'messageId'].flatMap(name => {
    const values = common(log => log[name]);
    return values.length === 0 ? [] : [{ [name]: values.map(writtenId).join(',') }];
  });
  return [...single, ...bound, ...lists, ...statusGroupNames.map(generalStatus => ({ generalStatus }))];
}

function listsOf(ids: readonly string[]): readonly string[] {
  const lists: string[] = [];
  for (const id of ids.map(writtenId)) {
    const last = lists.at(-1);
    if (last === undefined || last.length + id.length + 1 > limits.idListCharsMax) lists.push(id);
    else lists[lists.length - 1] = `${last},${id}`;
  }
  return lists;
}

function logsOf({ results }: Rows): Logs {
  const logs = new Map<string, Log>();
  for (const text of results) {
    const log: unknown = JSON.parse(text);
    if (isPlainObject(log)) logs.set(String(log.messageId), log);
  }
  return logs;
}

const sentAt = (log: Log) => parseDateTime(String(log.sentAt)) ?? Number.NaN;

/** Down to where a page is whole: where there is no more, everything is. */
function endOf(rows: Rows): EpochMs {
  if (rows.results.length < limits.pageLogsMax) return Number.NEGATIVE_INFINITY;
  return Math.min(...[...logsOf(rows).values()].map(sentAt));
}

function differences(theirs: Logs, ours: Logs, question: string | undefined): readonly Difference[] {
  const found: Difference[] = [];
  const asked = question !== undefined && { question };
  for (const messageId of new Set([...theirs.keys(), ...ours.keys()])) {
    const [their, our] = [theirs.get(messageId), ours.get(messageId)];
    if (their === undefined) found.push({ messageId, field: 'message', ours: 'is there', ...asked });
    else if (our === undefined) found.push({ messageId, field: 'message', theirs: 'is there', ...asked });
    else for (const one of fieldDifferences(their, our, '')) found.push({ messageId, ...one, ...asked });
  }
  return found;
}

/** Field by field; a `null` is as good as absent, and a moment is the same in every spelling. */
function* fieldDifferences(theirs: Log, ours: Log, path: string): Generator<Omit<Difference, 'messageId'>> {
  for (const name of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
    const [their, our] = [theirs[name] ?? undefined, ours[name] ?? undefined];
    const field = path + name;
    if (isPlainObject(their) && isPlainObject(our) && name !== 'content')
      yield* fieldDifferences(their, our, `${field}.`);
    else if (!isDeepStrictEqual(their, our) && !isSameMoment(their, our))
      yield { field, ...(their !== undefined && { theirs: their }), ...(our !== undefined && { ours: our }) };
  }
}

function isSameMoment(a: unknown, b: unknown): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  const moment = parseDateTime(a);
  return moment !== undefined && moment === parseDateTime(b);
}

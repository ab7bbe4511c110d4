import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { formatDateTime, parseDateTime } from '../wire/date-time.ts';
import { isPlainObject } from '../wire/record-flaws.ts';
import { questionsFrom, Sample } from './check-questions.ts';
import { type AnsweredLog, differencesOf, type FieldDifference } from './differences.ts';
import type { Answered, Asked, AskLog } from './log-client.ts';
import { writtenId } from './plan.ts';
import type { Check } from './rows.ts';

/** What both sides tell otherwise of a message; `question` where it came up. A message that one side lacks has the field `messageId`. */
export type Difference = FieldDifference & { readonly messageId: string; readonly question: Asked };

export type CheckOptions = {
  /** Of `sentAt`, by the other side's clock. */
  readonly from: EpochMs;
  readonly until: EpochMs;
  readonly theirs: AskLog;
  readonly ours: AskLog;
  /** What was sent before it the other side may show no more, at this moment. */
  readonly horizon: () => EpochMs;
  readonly clock: () => EpochMs;
  readonly wait: (ms: number) => Promise<void>;
  readonly found: (difference: Difference) => void;
};

/** A change that the mirror has yet to see is no difference: what differs is asked again, so often and so late. */
const roundsMax = 3;
const settleMs = 95_000;

/**
 * Asks both sides the same questions: for every message of a range, by cursor; then by every filter, with values that
 * messages have. What differs is told once it still does when it is asked again.
 */
export async function checkMirror(options: CheckOptions): Promise<Check> {
  const { from, until, clock } = options;
  const checking = new Checking(options);
  await checking.everything();
  for (const question of questionsFrom(checking.sample, from, until)) await checking.ask(question);
  const { messages, questions, differences } = checking;
  return { at: clock(), from, until, messages, questions, differences };
}

class Checking {
  readonly sample = new Sample();
  messages = 0;
  questions = 0;
  differences = 0;
  readonly #options: CheckOptions;
  /** Once told, a message is not asked for again. */
  readonly #told = new Set<string>();

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** Page by page of both, each matched by its id as soon as both have shown it. */
  async everything(): Promise<void> {
    const { from, until, theirs, ours } = this.#options;
    const question = { sentSince: formatDateTime(from), sentUntil: formatDateTime(until) };
    const sides = [this.#walk(theirs, question), this.#walk(ours, question)] as const;
    const waiting = [new Map<string, AnsweredLog>(), new Map<string, AnsweredLog>()] as const;
    const suspects: string[] = [];
    for (let more = [true, true]; more.some(Boolean); ) {
      const pages = await Promise.all(sides.map(side => side.next()));
      more = pages.map(page => page.done !== true);
      for (const [side, { value }] of pages.entries())
        for (const log of value ?? []) {
          if (side === 0) this.sample.add(log);
          const [own, other] = side === 0 ? waiting : ([waiting[1], waiting[0]] as const);
          const match = other.get(log.messageId);
          if (match === undefined) own.set(log.messageId, log);
          else {
            other.delete(log.messageId);
            this.messages++;
            if (differencesOf(match, log).length > 0) suspects.push(log.messageId);
          }
        }
    }
    await this.#settle([...suspects, ...waiting[0].keys(), ...waiting[1].keys()]);
  }

  async ask(question: Asked): Promise<void> {
    const { theirs, ours } = this.#options;
    this.questions++;
    const [there, here] = await Promise.all([theirs(question), ours(question)]);
    const own = withoutForeign(here, question);
    await this.#settle(
      this.#differing(there, own).map(one => one.messageId),
      question,
    );
  }

  async *#walk(side: AskLog, question: Asked): AsyncGenerator<readonly AnsweredLog[], undefined> {
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const asked: Asked = { ...question, limit: String(limits.pageLogsMax), useCursor: 'true', cursor };
      if (side === this.#options.theirs) this.questions++;
      const { results, next }: Answered = await side(cursor === '' ? without(asked, 'cursor') : asked);
      yield results;
      cursor = next;
    }
    return undefined;
  }

  /** Tells what differs still. */
  async #settle(messageIds: readonly string[], question?: Asked): Promise<void> {
    const { wait, found } = this.#options;
    let left = new Set(messageIds).difference(this.#told);
    for (let round = 1; left.size > 0; round++) {
      await wait(settleMs);
      const all = question === undefined ? await this.#byIds([...left]) : await this.#again(question, left);
      left = new Set(all.map(one => one.messageId));
      if (round < roundsMax) continue;
      for (const one of all) {
        found(one);
        this.#told.add(one.messageId);
      }
      this.differences += all.length;
      return;
    }
  }

  async #byIds(messageIds: readonly string[]): Promise<readonly Difference[]> {
    const { theirs, ours } = this.#options;
    const all: Difference[] = [];
    for (const messageId of listsOf(messageIds)) {
      const question = { messageId, limit: String(limits.pageLogsMax) };
      this.questions++;
      const [there, here] = await Promise.all([theirs(question), ours(question)]);
      all.push(...this.#differing(there, here).map(one => ({ ...one, question })));
    }
    return all;
  }

  async #again(question: Asked, among: ReadonlySet<string>): Promise<readonly Difference[]> {
    const { theirs, ours } = this.#options;
    const [there, here] = await Promise.all([theirs(question), ours(question)]);
    return this.#differing(there, withoutForeign(here, question))
      .filter(one => among.has(one.messageId))
      .map(one => ({ ...one, question }));
  }

  /** Of a page that is full, what is older than the oldest of either may well be on the next. */
  #differing(there: Answered, here: Answered): readonly Omit<Difference, 'question'>[] {
    const [theirs, ours] = [byId(there), byId(here)];
    const cut = Math.max(oldestOf(there), oldestOf(here));
    const found: Omit<Difference, 'question'>[] = [];
    for (const messageId of new Set([...theirs.keys(), ...ours.keys()])) {
      const [a, b] = [theirs.get(messageId), ours.get(messageId)];
      const sentAt = momentOf(a ?? b);
      if (sentAt < this.#options.horizon()) continue;
      if (a !== undefined && b !== undefined) found.push(...differencesOf(a, b).map(one => ({ messageId, ...one })));
      else if (sentAt > cut) found.push({ messageId, field: 'messageId', theirs: a?.messageId, ours: b?.messageId });
    }
    return found;
  }
}

/** A status of a group that is not known here counts as accepted; the other side has it in that group alone. */
function withoutForeign({ results, ...others }: Answered, { generalStatus }: Asked): Answered {
  if (generalStatus !== 'ACCEPTED') return { results, ...others };
  const isAccepted = ({ status }: AnsweredLog) => isPlainObject(status) && status.groupName === generalStatus;
  return { results: results.filter(isAccepted), ...others };
}

const byId = ({ results }: Answered) => new Map(results.map(log => [log.messageId, log]));

function oldestOf({ results }: Answered): EpochMs {
  const last = results.at(-1);
  return results.length < limits.pageLogsMax || last === undefined ? Number.NEGATIVE_INFINITY : momentOf(last);
}

const momentOf = (log: AnsweredLog | undefined): EpochMs => parseDateTime(log?.sentAt ?? '') ?? 0;

/** As many ids as one parameter takes. */
function* listsOf(messageIds: readonly string[]): Generator<string> {
  let list = '';
  let count = 0;
  for (const written of messageIds.map(writtenId)) {
    const isFull = list.length + written.length + 1 > limits.idListCharsMax || count === limits.pageLogsMax;
    if (count > 0 && isFull) {
      yield list;
      [list, count] = ['', 0];
    }
    list += count === 0 ? written : `,${written}`;
    count++;
  }
  if (count > 0) yield list;
}

function without(asked: Asked, name: string): Asked {
  const { [name]: _, ...others } = asked;
  return others;
}

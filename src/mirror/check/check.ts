import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { formatDateTime, parseDateTime } from '../../wire/date-time.ts';
import { isPlainObject } from '../../wire/record-flaws.ts';
import type { Gap } from '../place.ts';
import { type Check, MirrorError } from '../rows.ts';
import { writtenId } from '../statuses.ts';
import { differencesOf, digestOf, type FieldDifference } from './differences.ts';
import type { Answered, AnsweredLog, Asked, AskLog } from './log-client.ts';
import { questionsFrom, Sample } from './questions.ts';

/** What both sides tell otherwise of a message; `question` where it came up. A message that one side lacks has the field `messageId`. */
export type Difference = FieldDifference & { readonly messageId: string; readonly question: Asked };

export type CheckOptions = {
  /** Of `sentAt`, by the other side's clock. */
  readonly from: EpochMs;
  readonly until: EpochMs;
  /** What the mirror could not read: nothing of it is compared. */
  readonly gaps: readonly Pick<Gap, 'from' | 'until'>[];
  readonly theirs: AskLog;
  readonly ours: AskLog;
  /** What was sent before it one side may show no more, at this moment. */
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
 * messages have. What differs is told once it still does when it is asked again. Rejects with `MirrorError` where one
 * side has much that the other has not, or never comes to an end.
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

  /**
   * Page by page of both, each message matched by its id as soon as both have shown it. Of those that wait for the other
   * side only a digest is held: many may, and whoever else this process serves has use for its memory.
   */
  async everything(): Promise<void> {
    const { from, until, theirs, ours } = this.#options;
    const question = { sentSince: formatDateTime(from), sentUntil: formatDateTime(until) };
    const sides = [this.#walk(theirs, question), this.#walk(ours, question)] as const;
    const waiting = [new Map<string, string>(), new Map<string, string>()] as const;
    const suspects: string[] = [];
    for (let more = [true, true]; more.some(Boolean); ) {
      const pages = await Promise.all(sides.map(side => side.next()));
      more = pages.map(page => page.done !== true);
      for (const [side, { value }] of pages.entries())
        for (const log of value ?? []) {
          if (this.#isMissing(momentOf(log))) continue;
          if (side === 0) this.sample.add(log);
          const [own, other] = side === 0 ? waiting : ([waiting[1], waiting[0]] as const);
          const match = other.get(log.messageId);
          const digest = digestOf(log);
          if (match === undefined) own.set(log.messageId, digest);
          else {
            other.delete(log.messageId);
            this.messages++;
            if (match !== digest) suspects.push(log.messageId);
          }
        }
      if (suspects.length + waiting[0].size + waiting[1].size > limits.checkSuspectsMax)
        throw new MirrorError(
          `more than ${limits.checkSuspectsMax} messages differ, or are on one side alone: the check was given up`,
        );
    }
    await this.#settle([...suspects, ...waiting[0].keys(), ...waiting[1].keys()]);
  }

  async ask(question: Asked): Promise<void> {
    this.questions++;
    const differing = await this.#differing(question);
    await this.#settle(
      differing.map(one => one.messageId),
      question,
    );
  }

  async *#walk(side: AskLog, question: Asked): AsyncGenerator<readonly AnsweredLog[], undefined> {
    let pages = 0;
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      if (pages++ === limits.checkPagesMax)
        throw new MirrorError(
          `there is more to read than ${limits.checkPagesMax} pages of one side: the check was given up`,
        );
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
      const still = new Set<string>();
      for await (const one of this.#again(left, question)) {
        still.add(one.messageId);
        if (round < roundsMax) continue;
        this.differences++;
        found(one);
      }
      left = still;
      if (round < roundsMax) continue;
      for (const messageId of left) this.#told.add(messageId);
      return;
    }
  }

  /** One answer after the other: all of them together may be large. */
  async *#again(among: ReadonlySet<string>, question?: Asked): AsyncGenerator<Difference> {
    if (question !== undefined) {
      for (const one of await this.#differing(question)) if (among.has(one.messageId)) yield one;
      return;
    }
    for (const messageId of listsOf([...among])) {
      this.questions++;
      yield* await this.#differing({ messageId, limit: String(limits.pageLogsMax) });
    }
  }

  /** Of a page that is full, what is older than the oldest of either may well be on the next. */
  async #differing(question: Asked): Promise<readonly Difference[]> {
    const [there, here] = await Promise.all([this.#options.theirs(question), this.#options.ours(question)]);
    const [theirs, ours] = [byId(there.results), byId(withoutForeign(here.results, question))];
    const cut = Math.max(oldestOf(there), oldestOf(here));
    const found: Difference[] = [];
    for (const messageId of new Set([...theirs.keys(), ...ours.keys()])) {
      const [a, b] = [theirs.get(messageId), ours.get(messageId)];
      const sentAt = momentOf(a ?? b);
      if (sentAt < this.#options.horizon() || this.#isMissing(sentAt)) continue;
      if (a !== undefined && b !== undefined)
        found.push(...differencesOf(a, b).map(one => ({ messageId, ...one, question })));
      else if (sentAt > cut)
        found.push({ messageId, field: 'messageId', theirs: a?.messageId, ours: b?.messageId, question });
    }
    return found;
  }

  #isMissing(sentAt: EpochMs): boolean {
    return this.#options.gaps.some(({ from, until }) => sentAt >= from && sentAt < until);
  }
}

/** A status of a group that is not known here counts as accepted; the other side has it in that group alone. */
function withoutForeign(results: readonly AnsweredLog[], { generalStatus }: Asked): readonly AnsweredLog[] {
  if (generalStatus !== 'ACCEPTED') return results;
  return results.filter(({ status }) => isPlainObject(status) && status.groupName === generalStatus);
}

const byId = (results: readonly AnsweredLog[]) => new Map(results.map(log => [log.messageId, log]));

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

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
  /** By when, by `clock`, no more is compared: what was not reached by then is left out. What differs is asked for again after it. */
  readonly end: EpochMs;
  /** What was sent before it one side may show no more, at this moment. */
  readonly horizon: () => EpochMs;
  readonly clock: () => EpochMs;
  readonly wait: (ms: number) => Promise<void>;
  readonly found: (difference: Difference) => void;
  /** How far it is, in words, as often as that changes. */
  readonly progress: (words: string) => void;
};

/** By the question where they came up, by which they are asked for again; `undefined` where all messages were walked through. */
type Suspects = Map<Asked | undefined, Set<string>>;

/** A change that the mirror has yet to see is no difference: what differs is asked again, so often and so late. */
const roundsMax = 3;
const settleMs = 95_000;
/** Of the time that there is, what walking through all messages may take: the rest is for the filters. */
const walkShare = 0.8;

/**
 * Asks both sides the same questions: for every message of a range, by cursor, the newest first and as far as the time
 * suffices; then by every filter, with values that messages have. What differs is told once it still does when all of it is
 * asked for again, together: a log that changes all the time would have each question wait. Rejects with `MirrorError`
 * where one side has much that the other has not, or never comes to an end.
 */
export async function checkMirror(options: CheckOptions): Promise<Check> {
  const { until, clock, end, progress } = options;
  const checking = new Checking(options);
  const from = await checking.everything();
  if (from >= until)
    throw new MirrorError('nothing could be compared in the time that there is: the other side is slow');
  const questions = questionsFrom(checking.sample, from, until);
  for (const [i, question] of questions.entries()) {
    if (clock() >= end) break;
    progress(`question ${i + 1} of ${questions.length} by filters`);
    await checking.ask(question);
  }
  await checking.settle();
  const { messages, questions: asked, differences } = checking;
  return { at: clock(), from, until, messages, questions: asked, differences };
}

class Checking {
  readonly sample = new Sample();
  messages = 0;
  questions = 0;
  differences = 0;
  readonly #options: CheckOptions;
  readonly #walkEnd: EpochMs;
  #suspects: Suspects = new Map();

  constructor(options: CheckOptions) {
    this.#options = options;
    const now = options.clock();
    this.#walkEnd = now + (options.end - now) * walkShare;
  }

  /**
   * Page by page of both, each message matched by its id as soon as both have shown it. Of those that wait for the other
   * side only a digest is held: many may, and whoever else this process serves has use for its memory. Resolves with the
   * moment since which all were compared.
   */
  async everything(): Promise<EpochMs> {
    const { from, until, theirs, ours, clock } = this.#options;
    const question = { sentSince: formatDateTime(from), sentUntil: formatDateTime(until) };
    const sides = [this.#walk(theirs, question), this.#walk(ours, question)] as const;
    const waiting: readonly Waiting[] = [new Map(), new Map()];
    const reached = [until, until];
    const suspects = new Set<string>();
    while (reached.some(at => at > from) && clock() < this.#walkEnd) {
      const pages = await Promise.all(sides.map(side => side.next()));
      for (const [side, { value, done = false }] of pages.entries()) {
        for (const log of value ?? []) this.#match(log, side, waiting, suspects);
        // Of the oldest millisecond that was shown there may be more on the next page.
        const oldest = (value ?? []).reduce((at, log) => Math.min(at, momentOf(log) + 1), reached[side] ?? until);
        reached[side] = done ? from : Math.max(from, oldest);
      }
      const differing = suspects.size + waiting.reduce((sum, { size }) => sum + size, 0);
      this.#bound(differing);
      this.#tellWalk(Math.max(...reached), differing);
    }
    const since = Math.max(...reached);
    for (const one of waiting) for (const [messageId, { sentAt }] of one) if (sentAt >= since) suspects.add(messageId);
    this.#suspects.set(undefined, suspects);
    return since;
  }

  #match(log: AnsweredLog, side: number, waiting: readonly Waiting[], suspects: Set<string>): void {
    const { messageId } = log;
    const sentAt = momentOf(log);
    if (this.#isMissing(sentAt)) return;
    if (side === 0) this.sample.add(log);
    const digest = digestOf(log);
    const other = waiting[1 - side]?.get(messageId);
    if (other === undefined) {
      waiting[side]?.set(messageId, { digest, sentAt });
      return;
    }
    waiting[1 - side]?.delete(messageId);
    this.messages++;
    if (other.digest !== digest) suspects.add(messageId);
  }

  #tellWalk(since: EpochMs, differing: number): void {
    const { from, until, progress } = this.#options;
    const share = Math.floor((100 * (until - since)) / (until - from));
    progress(
      `${this.messages} messages compared, back to ${formatDateTime(since)} (${share} % of the time), ${differing} differ so far`,
    );
  }

  #bound(differing: number): void {
    if (differing > limits.checkSuspectsMax)
      throw new MirrorError(
        `more than ${limits.checkSuspectsMax} messages differ, or are on one side alone: the check was given up`,
      );
  }

  async ask(question: Asked): Promise<void> {
    this.questions++;
    const differing = await this.#differing(question);
    if (differing.length > 0) this.#suspects.set(question, new Set(differing.map(one => one.messageId)));
    this.#bound([...this.#suspects.values()].reduce((sum, { size }) => sum + size, 0));
  }

  /** Tells what differs still. */
  async settle(): Promise<void> {
    const { wait, found, progress } = this.#options;
    for (let round = 1; round <= roundsMax; round++) {
      const messages = [...this.#suspects.values()].reduce((all, some) => all.union(some), new Set<string>());
      if (messages.size === 0) return;
      progress(
        `messages that differ, or that one side has not shown: ${messages.size}; asked for again in ${settleMs / 1000} s, ` +
          `${round} of ${roundsMax} times, since a change may be under way`,
      );
      await wait(settleMs);
      this.#suspects = await this.#again(one => {
        if (round < roundsMax) return;
        this.differences++;
        found(one);
      });
    }
  }

  /**
   * Asks again for what is suspect, one answer after the other: all of them together may be large. What differs by its id
   * is not asked for by filters as well.
   */
  async #again(found: (difference: Difference) => void): Promise<Suspects> {
    const still: Suspects = new Map();
    const known = new Set<string>();
    const differing = async (question: Asked, among: ReadonlySet<string>) => {
      this.questions++;
      const those = (await this.#differing(question)).filter(one => among.has(one.messageId));
      for (const one of those) found(one);
      return new Set(those.map(one => one.messageId));
    };
    for (const [question, among] of this.#suspects) {
      const others = among.difference(known);
      const left = among.intersection(known);
      if (question === undefined)
        for (const messageId of listsOf([...others]))
          for (const one of await differing({ messageId, limit: String(limits.pageLogsMax) }, others)) left.add(one);
      else if (others.size > 0) for (const one of await differing(question, others)) left.add(one);
      for (const one of left) known.add(one);
      if (left.size > 0) still.set(question, left);
    }
    return still;
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

/** Shown by one side, and not yet by the other. */
type Waiting = Map<string, { readonly digest: string; readonly sentAt: EpochMs }>;

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

import type { AccountId, Submission } from '../../../domain/message.ts';
import type { Layouts, Placement } from '../layout/layouts.ts';
import { foundInOlderSlices } from '../layout/older-slices.ts';
import type { Database } from '../log/database.ts';
import { divide, type Led, type Numbered, type Waiting, type Way } from './parts.ts';
import { misplacedMax, neverSettled, numbersAtOnce, takeNumbers } from './record-group.ts';

/** Where what was led goes on. */
export type Lanes = {
  put(led: readonly Led[]): void;
  /** Gives back what waits of an account, of whichever slice. */
  takeBack(account: AccountId): readonly Waiting[];
  /** Resolves when no transaction is at work on the account. */
  atRest(account: AccountId): Promise<void>;
  /** What was to be led could not be. */
  failed(error: unknown): void;
};

/** What of one account is not led yet, in the order of the calls. */
type Line = { waiting: Waiting[]; misled: boolean };

/**
 * Leads batches to slices. Those of an account that is not spread go on at once. Those of one that is take their
 * message numbers together first, so that the numbers of an account keep the order of the calls whatever slices they
 * go to; and while an older layout has messages, ids that are not where they would be now are looked for where they
 * would have been then.
 */
export class Router {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #lanes: Lanes;
  readonly #lines = new Map<AccountId, Line>();

  constructor(database: Database, layouts: Layouts, lanes: Lanes) {
    this.#database = database;
    this.#layouts = layouts;
    this.#lanes = lanes;
  }

  take(waiting: Waiting): void {
    const { account } = waiting.batch;
    const { placement } = this.#layouts;
    if (!this.#lines.has(account) && !placement.has(account)) this.#lanes.put([ledAsEver(waiting, placement)]);
    else this.#lineOf(account).waiting.push(waiting);
  }

  /**
   * Leads anew what went wrong, and all that waits of the account: by the layouts there are when what is at work has
   * ended, so that nobody gets ahead of who came before.
   */
  again(account: AccountId, misplaced: readonly Waiting[]): void {
    const line = this.#lineOf(account);
    line.misled = true;
    for (const one of misplaced)
      if (one.misplaced < misplacedMax) line.waiting.push({ ...one, misplaced: one.misplaced + 1 });
      else one.reject(neverSettled());
    line.waiting.push(...this.#lanes.takeBack(account));
    sortByCall(line.waiting);
  }

  #lineOf(account: AccountId): Line {
    let line = this.#lines.get(account);
    if (line === undefined) {
      line = { waiting: [], misled: false };
      this.#lines.set(account, line);
      void this.#lead(account, line);
    }
    return line;
  }

  async #lead(account: AccountId, line: Line): Promise<void> {
    // Whoever opened the line has not put anything into it yet.
    await Promise.resolve();
    while (line.waiting.length > 0 || line.misled) {
      let taken: readonly Waiting[] = [];
      try {
        if (line.misled) await this.#startOver(account, line);
        taken = takeSome(line.waiting);
        const led = await this.#led(account, taken);
        if (!line.misled) this.#lanes.put(led);
        else {
          // Before those that wait, but behind those that turned out misled meanwhile.
          line.waiting.push(...taken);
          sortByCall(line.waiting);
        }
      } catch (error) {
        this.#lanes.failed(error);
        for (const { reject } of taken.length > 0 ? taken : line.waiting.splice(0)) reject(error);
      }
    }
    this.#lines.delete(account);
  }

  async #startOver(account: AccountId, line: Line): Promise<void> {
    await this.#lanes.atRest(account);
    line.misled = false;
    await this.#layouts.refresh();
  }

  async #led(account: AccountId, taken: readonly Waiting[]): Promise<readonly Led[]> {
    const { placement } = this.#layouts;
    if (!placement.has(account)) return taken.map(waiting => ledAsEver(waiting, placement));
    const asked = {
      ids: taken.flatMap(({ batch }) => batch.submissions.map(one => one.messageId)),
      sentSince: Math.min(...taken.map(({ batch }) => batch.sentSince)),
    };
    const [numbered, elsewhere] = await Promise.all([
      this.#numbered(taken),
      foundInOlderSlices(this.#database, placement, account, asked),
    ]);
    return numbered.flatMap(waiting => {
      const wayOf = ({ messageId }: Submission): Way => {
        const found = elsewhere.get(messageId);
        return found !== undefined && found.sentAt >= waiting.batch.sentSince
          ? { slice: found.slice, known: true }
          : { slice: placement.sliceFor(account, messageId), known: false };
      };
      return divide(waiting, placement.begun, wayOf);
    });
  }

  /** Those that were led before keep theirs. */
  async #numbered(taken: readonly Waiting[]): Promise<readonly Numbered[]> {
    let number = await takeNumbers(this.#database);
    return taken.map(one => ({ ...one, numbers: one.numbers ?? one.batch.submissions.map(() => number++) }));
  }
}

/** In the order of the calls; the parts of one keep theirs. */
function sortByCall(waiting: Waiting[]): void {
  waiting.sort((a, b) => a.order - b.order);
}

function ledAsEver(waiting: Waiting, placement: Placement): Led {
  return { ...waiting, slice: waiting.batch.account, known: false, layout: placement.begun };
}

/** As many as one block of numbers suffices for. */
function takeSome(waiting: Waiting[]): readonly Waiting[] {
  let [count, records] = [0, 0];
  for (const { batch } of waiting) {
    records += batch.submissions.length;
    if (records > numbersAtOnce) break;
    count++;
  }
  return waiting.splice(0, count);
}

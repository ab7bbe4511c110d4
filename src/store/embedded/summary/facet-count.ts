import { type BreakdownField, errorCalled } from '../../../domain/breakdown.ts';
import { conditionMatcher, type Filter, groupIdsOf } from '../../../domain/filter.ts';
import { type FilterName, filterFields } from '../../../domain/filter-fields.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { noError, pendingAccepted } from '../../../domain/registry.ts';
import { bucketOf, type SummaryRange } from '../../../domain/summary.ts';
import { tally } from '../../../domain/summary-cell.ts';
import type { Found, ReadSegments } from '../search/read-segments.ts';
import { ReportHolders } from '../search/report-holders.ts';
import { kinds, type Move, Moves } from '../segment/count-items.ts';
import { type FacetField, facetFields } from '../segment/facet-columns.ts';
import { type FacetCodes, type Facets, type Meanings, stateOf } from '../segment/facets.ts';
import { groupCount } from '../segment/indexed-counts.ts';
import { type Position, positionOf } from '../segment/position.ts';
import { groupCodeOf, groupOf, messagesIn, newestReportOf, type SharedSegment } from '../segment/shared-segment.ts';
import { FacetParts, type PartMoves } from './facet-parts.ts';

/** What is counted: an account's messages of a time, up to a position. */
export type FacetQuery = {
  readonly account: AccountId;
  readonly filter: Filter;
  readonly range: SummaryRange;
  readonly by?: readonly BreakdownField[] | undefined;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly positionEnd: Position;
};

/** What was counted of one segment. */
export type FacetFigures = {
  /** Group by group of each bucket. */
  readonly groups: Float64Array;
  /** Everything else. */
  readonly moves: readonly Move[];
  /** What is asked to be broken down, once more. */
  readonly parts: readonly PartMoves[];
  /** Messages of which only their rows tell. */
  readonly rest: readonly Found[];
};

/** Whether facets tell all that a filter asks. */
export function facetsTell(filter: Filter): boolean {
  return filterFields.every(({ name, changes }) => changes || isFacetField(name) || !asksFor(filter, name));
}

const isFacetField = (name: FilterName): name is FilterName & FacetField =>
  (facetFields as readonly string[]).includes(name);
const asksFor = (filter: Filter, name: FilterName) => filter[name] !== undefined || filter.not?.[name] !== undefined;

/** What one segment's numbers of states mean to a summary, and how often each was counted. */
class Outcomes {
  readonly isAsked: Uint8Array;
  readonly group: Uint8Array;
  readonly isFailed: Uint8Array;
  readonly #meanings: Meanings['outcome'];
  readonly #ones: Float64Array;
  /** Of messages that count as several: by number and by how many. */
  readonly #others = new Map<number, number>();

  constructor(meanings: Meanings['outcome'], filter: Filter) {
    const fits = conditionMatcher(filter, { changes: true });
    const states = meanings.map(stateOf);
    this.#meanings = meanings;
    this.isAsked = Uint8Array.of(0, ...states.map(state => Number(fits(state))));
    this.group = Uint8Array.of(0, ...states.map(({ status }) => status.groupId));
    this.isFailed = Uint8Array.of(0, ...meanings.map((_, i) => Number(this.movesOf(i + 1, 1).some(isSender))));
    this.#ones = new Float64Array(meanings.length + 1);
  }

  count(code: number, messageCount: number): void {
    if (messageCount === 1) this.#ones[code] = (this.#ones[code] ?? 0) + 1;
    else {
      const key = code * 2 ** 16 + messageCount;
      this.#others.set(key, (this.#others.get(key) ?? 0) + 1);
    }
  }

  /** What the counted messages add to a summary beside groups, senders and campaigns; from now on none is counted. */
  take(): readonly Move[] {
    const moves: Move[] = [];
    const add = (code: number, messageCount: number, times: number) => {
      for (const move of this.movesOf(code, messageCount))
        if (move[0] !== kinds.group && !isSender(move)) moves.push([move[0], move[1], move[2] * times]);
    };
    for (const [code, times] of this.#ones.entries()) if (times > 0) add(code, 1, times);
    for (const [key, times] of this.#others) add(Math.floor(key / 2 ** 16), key % 2 ** 16, times);
    this.#ones.fill(0);
    this.#others.clear();
    return moves;
  }

  errorName(code: number): string {
    return errorCalled(this.#stateOf(code).error);
  }

  movesOf(code: number, messageCount: number): readonly Move[] {
    const moves: Move[] = [];
    const into = new Moves((kind, value, amount) => moves.push([kind, value, amount]));
    const { doneAt, price, ...codes } = this.#stateOf(code);
    tally({ sentAt: 0, sender: '', campaignReferenceId: undefined, messageCount, doneAt, price, ...codes }, 1, into);
    return moves;
  }

  #stateOf(code: number) {
    const meaning = this.#meanings[code - 1];
    if (meaning === undefined) throw new RangeError(`no outcome has the number ${code}`);
    return stateOf(meaning);
  }
}

const isSender = ([kind]: Move) => kind === kinds.sender;

/** Counts what a filter matches by the facets of segments. */
export class FacetCount {
  readonly #segments: ReadSegments;
  readonly #query: FacetQuery;
  readonly #holders: ReportHolders<Outcomes>;
  /** Only what has one of these groups may match. */
  readonly #groups: readonly number[] | undefined;
  /** By the code of the group. */
  readonly #isGroupAsked = new Uint8Array(groupCount);

  constructor(segments: ReadSegments, query: FacetQuery) {
    this.#segments = segments;
    this.#query = query;
    this.#groups = groupIdsOf(query.filter);
    this.#holders = new ReportHolders(segments, ({ meanings }) => new Outcomes(meanings.outcome, query.filter));
    for (const group of this.#groups ?? []) this.#isGroupAsked[groupCodeOf(group)] = 1;
  }

  /** `undefined` when only the segment's rows can tell, or fewer of them are read without its facets. */
  of(shared: SharedSegment): FacetFigures | undefined {
    this.#holders.letGo();
    return this.#segments.withFacets(shared.id, facets => this.#figures(shared, facets));
  }

  #figures(shared: SharedSegment, facets: Facets): FacetFigures | undefined {
    const { account, range, by, from, to } = this.#query;
    const { meanings } = facets;
    const { sender: senders, campaignReferenceId: campaigns } = meanings.fields;
    const tests = this.#tests(shared, facets);
    const parts = FacetParts.of(by ?? [], facets);
    if (tests === undefined || parts === undefined || senders === undefined || campaigns === undefined)
      return undefined;
    const unlearnt = this.#unlearnt(shared, facets);
    if (unlearnt === undefined) return undefined;
    const groups = new Float64Array(range.buckets * groupCount);
    const figures = { groups, moves: [] as Move[], rest: [] as Found[] };
    const owners = facets.owners(account);
    const outcomes = facets.codes('outcome');
    const messageCounts = facets.codes('messageCount');
    const [senderCodes, campaignCodes] = [facets.codes('sender'), facets.codes('campaignReferenceId')];
    const columns = this.#segments.get(shared.id)?.columns;
    const { base, offsets } =
      columns === undefined
        ? this.#segments.withIndex(shared.id, index => index.timeOffsets())
        : { base: 0, offsets: columns.sentAt };
    let matches = 0;
    const initial = new Outcomes(meanings.outcome, this.#query.filter);
    const used = new Set([initial]);
    const failedSenders = new Float64Array(senders.length + 1);
    const failedCampaigns = new Float64Array(campaigns.length + 1);
    const known = owners === undefined ? 0 : Math.min(facets.messages, this.#countIn(shared));
    for (const ordinal of fitting(known, owners, tests)) {
      const sentAt = base + (offsets[ordinal] ?? 0);
      if (sentAt < from || sentAt >= to) continue;
      const newest = newestReportOf(shared, ordinal);
      const holder = newest === 0 ? undefined : this.#holders.of(newest);
      const state = newest === 0 ? initial : holder?.made;
      const code = (newest === 0 ? outcomes[ordinal] : holder?.codes[newest - holder.from]) ?? 0;
      const messageCount = messageCounts[ordinal] ?? 0;
      // What was learnt since these outcomes were looked at, too.
      if (state === undefined || code === 0 || code >= state.isAsked.length || messageCount === 0) {
        figures.rest.push({ segmentId: shared.id, ordinal, sentAt });
        continue;
      }
      if (state.isAsked[code] !== 1) continue;
      matches++;
      if (state !== initial) used.add(state);
      const at = bucketOf(range, sentAt) * groupCount + (state.group[code] ?? 0);
      groups[at] = (groups[at] ?? 0) + 1;
      state.count(code, messageCount);
      if (by !== undefined) parts.count(ordinal, state, code, messageCount);
      if (state.isFailed[code] !== 1) continue;
      bump(failedSenders, senderCodes[ordinal]);
      bump(failedCampaigns, campaignCodes[ordinal]);
    }
    for (const state of used) figures.moves.push(...state.take());
    // Without facets, the rows of what matches are read: of what is not learnt, all would be.
    if (unlearnt.length > matches + figures.rest.length) return undefined;
    figures.rest.push(...unlearnt);
    for (const [code, times] of failedSenders.entries())
      if (times > 0) figures.moves.push([kinds.sender, senders[code - 1] ?? '', times]);
    for (const [code, times] of failedCampaigns.entries())
      if (times > 0 && code > 0) figures.moves.push([kinds.campaign, campaigns[code - 1] ?? '', times]);
    return { ...figures, parts: [...parts.taken()] };
  }

  /** The account's messages behind the learnt ones; `undefined` where only rows tell whose they are. */
  #unlearnt(shared: SharedSegment, facets: Facets): readonly Found[] | undefined {
    const { account, from, to } = this.#query;
    const count = this.#countIn(shared);
    if (facets.messages >= count) return [];
    // Sealed since, and without a file of facets yet.
    const columns = this.#segments.get(shared.id)?.columns;
    if (columns === undefined) return undefined;
    const unlearnt: Found[] = [];
    for (let ordinal = facets.messages; ordinal < count; ordinal++) {
      const sentAt = columns.sentAt[ordinal] ?? 0;
      if (columns.account[ordinal] !== account || sentAt < from || sentAt >= to) continue;
      if (this.#mayHaveGroup(shared, ordinal)) unlearnt.push({ segmentId: shared.id, ordinal, sentAt });
    }
    return unlearnt;
  }

  /** How many of a segment's messages are counted at all. */
  #countIn(shared: SharedSegment): number {
    return Math.min(messagesIn(shared), this.#query.positionEnd - positionOf(shared.id, 0));
  }

  #mayHaveGroup(shared: SharedSegment, ordinal: number): boolean {
    return this.#groups?.includes(groupOf(shared, ordinal)) !== false;
  }

  /** What is asked of fields and groups, by numbers; `undefined` when a field that is asked for has none here. */
  #tests(shared: SharedSegment, facets: Facets): readonly Test[] | undefined {
    const { filter } = this.#query;
    const tests: Test[] = [];
    for (const name of facetFields) {
      if (!asksFor(filter, name)) continue;
      const values = facets.meanings.fields[name];
      if (values === undefined) return undefined;
      const fits = conditionMatcher({
        ...(filter[name] !== undefined && { [name]: filter[name] }),
        ...(filter.not?.[name] !== undefined && { not: { [name]: filter.not[name] } }),
      });
      const state = { status: pendingAccepted, error: noError };
      const isAsked = Uint8Array.of(
        Number(fits(state)),
        ...values.map(value => Number(fits({ ...state, [name]: value }))),
      );
      tests.push({ codes: facets.codes(name), isAsked });
    }
    if (this.#groups !== undefined) tests.push({ codes: shared.groupCode, isAsked: this.#isGroupAsked });
    return tests;
  }
}

type Test = { readonly codes: FacetCodes; readonly isAsked: Uint8Array };
type Owners = Exclude<ReturnType<Facets['owners']>, undefined>;

/** Of this thread: what each segment would allocate lies outside the heap until a collection. */
let room = new Uint32Array(0);

/** Which of the first messages are an account's and fit all tests, in their order; good until the next call. */
function fitting(end: number, owners: Owners | undefined, tests: readonly Test[]): Uint32Array {
  if (room.length < end) room = new Uint32Array(end);
  let count = owners === undefined ? 0 : end;
  // A loop for each, since what it looks at is of one type then: most messages are out after the first.
  let isFirst = true;
  for (const { codes, isAsked } of tests) {
    count = isFirst ? firstFitting(codes, isAsked, count) : leftFitting(codes, isAsked, count);
    isFirst = false;
  }
  if (isFirst) for (let ordinal = 0; ordinal < count; ordinal++) room[ordinal] = ordinal;
  if (owners?.codes !== undefined) count = leftOwn(owners.codes, owners.own, count);
  return room.subarray(0, count);
}

function firstFitting(codes: FacetCodes, isAsked: Uint8Array, end: number): number {
  let count = 0;
  for (let ordinal = 0; ordinal < end; ordinal++) if (isAsked[codes[ordinal] ?? 0] === 1) room[count++] = ordinal;
  return count;
}

function leftFitting(codes: FacetCodes, isAsked: Uint8Array, end: number): number {
  let count = 0;
  for (let i = 0; i < end; i++) {
    const ordinal = room[i] ?? 0;
    if (isAsked[codes[ordinal] ?? 0] === 1) room[count++] = ordinal;
  }
  return count;
}

function leftOwn(codes: ArrayLike<number>, own: number, end: number): number {
  let count = 0;
  for (let i = 0; i < end; i++) {
    const ordinal = room[i] ?? 0;
    if (codes[ordinal] === own) room[count++] = ordinal;
  }
  return count;
}

function bump(counts: Float64Array, code: number | undefined): void {
  counts[code ?? 0] = (counts[code ?? 0] ?? 0) + 1;
}

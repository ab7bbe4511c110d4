import { asksForText, conditionMatcher, withoutText } from '../../../domain/filter.ts';
import type {
  AccountId,
  EpochMs,
  LogRecord,
  MessageHistory,
  MessageState,
  TimelineEntry,
} from '../../../domain/message.ts';
import { recordedEntry, timelineEntry } from '../../../domain/report.ts';
import { limits } from '../../../limits.ts';
import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import { type Page, type Query, StoreUnavailable } from '../../store.ts';
import type { Layouts, Placement } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import { placesOfIds } from '../log/folded-keys.ts';
import { columnMs } from '../rows/column-ms.ts';
import {
  identityIn,
  logColumnCount,
  logColumns,
  logIn,
  type Place,
  placeIn,
  stateIn,
  stateThen,
} from '../rows/log-row.ts';
import { readReport, readState } from '../rows/report-text.ts';
import type { Slice } from '../rows/slices.ts';
import { type ReadSealing, sealedAt } from '../sealed/sealed-blocks.ts';
import { bookmarkOf, type Walk, walkOf } from '../search/bookmark.ts';
import { firstOfAll, shareOf } from '../search/merge.ts';
import type { Bounds } from '../search/page-query.ts';
import { Pages } from '../search/pages.ts';
import type { ReadPoint } from '../server/snapshot.ts';
import type { Source } from '../server/source.ts';
import type { LongContents } from './long-contents.ts';
import { lookThrough } from './look-through.ts';
import { ownOf } from './own-snapshot.ts';

/** Longer ones would not fit into a caller's cursor. */
const bookmarkCharsMax = 2900;

/** What a page tells beside its logs. */
export type PageEnd = Omit<Page, 'logs'>;

/** Takes the logs of a page as they are read. */
export type PageTaker<T> = { add(logs: readonly LogRecord[]): Promise<void>; all(): Promise<T> };

/** How a page is read: each step when it has its `turn`, into a taker that may be begun anew. */
export type PageReading<T> = {
  readonly turn: <R>(step: () => Promise<R>) => Promise<R>;
  readonly taker: () => PageTaker<T>;
  readonly signal?: AbortSignal | undefined;
};

/** Where a page begins and how much of it there is, in a filter's order. */
type Behind = (place: Place | undefined, count: number) => Promise<readonly Row[]>;

/** Answers queries. Holds nothing that answers depend on: a walk lives in its bookmark. */
export class Reader {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #pages = new Pages();
  readonly #contents: LongContents;

  constructor(database: Database, layouts: Layouts, contents: LongContents) {
    this.#database = database;
    this.#layouts = layouts;
    this.#contents = contents;
  }

  /** Throws `InvalidBookmark`. */
  async find<T>(query: Query, reading: PageReading<T>): Promise<T & PageEnd> {
    const walk = query.after === undefined ? undefined : walkOf(query.after);
    return this.#layouts.reading(placement => this.#find(query, placement, walk, reading));
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    // Never from a replica: who asks for one message was told of it just now, by whichever process.
    const found = await this.#layouts.reading(async placement => {
      const slices = placement.slicesHolding(account, messageId);
      const asked = slices.map(slice => this.#newest(slice, messageId, sentSince, placement.sealing));
      return (await Promise.all(asked)).flatMap(row => (row === undefined ? [] : [row]));
    });
    const [row] = found.toSorted((a, b) => placeIn(b).number - placeIn(a).number);
    if (row === undefined) return undefined;
    const [identity, state] = [identityIn(row), stateIn(row)];
    return { log: { ...identity, ...state }, ...timelineOf(row, state) };
  }

  /**
   * The newest message of an id. One that was sealed when its reports were read, and was taken out since, is in its block
   * as it was then.
   */
  async #newest(
    slice: Slice,
    messageId: string,
    sentSince: EpochMs,
    sealing: ReadSealing | undefined,
  ): Promise<Row | undefined> {
    const statement = historyStatement(sealing !== undefined);
    const rows = await this.#database.read(statement, [slice, messageId, columnMs(sentSince)]);
    for (const row of rows) {
      if (row[0] !== null) return row;
      if (sealing === undefined) continue;
      const place = placeIn(row.slice(logColumnCount + 2));
      const sealed = (await sealedAt(this.#database, slice, [place], sealing.damage)).get(place.number);
      if (sealed !== undefined && identityIn(sealed.row).messageId === messageId)
        return [...sealed.row, sealed.receivedAt, row[logColumnCount + 1]];
    }
    return undefined;
  }

  async #find<T>(
    query: Query,
    placement: Placement,
    walk: Walk | undefined,
    reading: PageReading<T>,
  ): Promise<T & PageEnd> {
    const { account, limit, budgetMs = Infinity } = query;
    const { turn, signal } = reading;
    const isText = asksForText(query.filter);
    const asked = placement.asked(isText ? { ...query, filter: withoutText(query.filter) } : query);
    const [only, ...others] = asked;
    const isWalk = query.walk || walk !== undefined;
    const isInParts = this.#contents.rowsAtOnce(account, limit + 1) <= limit;
    // Slices, and stretches, that are asked one after the other must answer for one moment.
    const needsSnapshot = isWalk || others.length > 0 || isText;
    const readPoint = walk ?? (needsSnapshot || isInParts ? await this.#readPoint(turn, needsSnapshot) : undefined);
    const snapshot = readPoint?.snapshot;
    const bounds = { ...walk, ...(snapshot !== undefined && { snapshot }) };
    const endsAt = performance.now() + budgetMs;
    const read = async (source: Source) => {
      const behind: Behind = (place, count) => {
        const within = place === undefined ? bounds : { ...bounds, place };
        return turn(() =>
          only !== undefined && others.length === 0
            ? this.#pages.rows(source, { ...only, limit: count - 1 }, within, placement.sealing)
            : this.#rowsOfAll(source, asked, { ...within, count }, placement.sealing),
        );
      };
      const page = isText
        ? await this.#lookedThrough(behind, query, { from: walk?.place, endsAt }, reading)
        : await this.#read(behind, query, reading, snapshot === undefined);
      const { taken, reached, last, isMore } = page;
      const isOver = reached === undefined && (!isWalk || !isMore);
      if (isOver || snapshot === undefined) return { taken, reached, last };
      const own = () => ownOf(this.#database, source, { snapshot, account, placement });
      return { taken, reached, last, bound: walk?.snapshot ?? (await turn(own)) };
    };
    const need = { account, ...(readPoint !== undefined && { readPoint }), ...(signal !== undefined && { signal }) };
    const { taken, reached, last, bound } = await this.#database.readWhere(need, read);
    const place = reached ?? last;
    const next = bound && place && boundedBookmark({ place, snapshot: bound });
    const end: PageEnd = next === undefined ? {} : { next, ...(reached !== undefined && { reached: reached.sentAt }) };
    return { ...taken, ...end };
  }

  /** What has the words asked for, as `lookThrough` gives it. */
  async #lookedThrough<T>(
    behind: Behind,
    query: Query,
    looking: { readonly from: Place | undefined; readonly endsAt: number },
    { taker }: PageReading<T>,
  ) {
    const { rows, reached } = await lookThrough(behind, query, looking);
    const taking = taker();
    const page = rows.slice(0, query.limit);
    await taking.add(shownOf(page, query));
    return { taken: await taking.all(), reached, last: page.map(placeIn).at(-1), isMore: rows.length > query.limit };
  }

  /** While the database is away, a standby answers: what need not be of one moment with another part is read at once then. */
  async #readPoint(turn: PageReading<unknown>['turn'], isNeeded: boolean): Promise<ReadPoint | undefined> {
    try {
      return await turn(() => this.#database.readPoint());
    } catch (error) {
      if (isNeeded || !(error instanceof StoreUnavailable)) throw error;
      return undefined;
    }
  }

  /** All of a page, in parts where contents are long, unless it is to be read at once. */
  async #read<T>(behind: Behind, query: Query, { taker, signal }: PageReading<T>, isAtOnce: boolean) {
    const { account, limit } = query;
    const contents = this.#contents;
    const taking = taker();
    let [left, place]: [number, Place | undefined] = [limit + 1, undefined];
    const part = async (): Promise<boolean> => {
      const count = isAtOnce ? left : contents.rowsAtOnce(account, left);
      const rows = await behind(place, count);
      const page = left === rows.length ? rows.slice(0, -1) : rows;
      const logs = shownOf(page, query);
      contents.saw(account, logs);
      await taking.add(logs);
      left -= rows.length;
      place = page.map(placeIn).at(-1) ?? place;
      return left > 0 && rows.length === count;
    };
    const rest = async () => {
      while (await part());
      return taking.all();
    };
    const hasRest = contents.isLong(account, left) || (await part());
    const isLong = hasRest && contents.isLong(account, left);
    const taken = isLong ? await contents.inTurn(account, rest, signal) : await (hasRest ? rest() : taking.all());
    return { taken, reached: undefined, last: place, isMore: left === 0 };
  }

  /** The newest of all slices. */
  async #rowsOfAll(
    source: Source,
    asked: readonly Query[],
    { count, ...bounds }: Bounds & { readonly count: number },
    sealing: ReadSealing | undefined,
  ): Promise<readonly Row[]> {
    const limit = shareOf(count, asked.length);
    const slices = asked.map(query => async (after: Placed | undefined) => {
      const behind = after === undefined ? bounds : { ...bounds, place: after.place };
      const rows = await this.#pages.rows(source, { ...query, limit }, behind, sealing);
      return { items: rows.map(row => ({ row, place: placeIn(row) })), more: rows.length > limit };
    });
    return (await firstOfAll(slices, (a, b) => isNewer(a.place, b.place), count)).map(({ row }) => row);
  }
}

type Placed = { readonly row: Row; readonly place: Place };

function isNewer(a: Place, b: Place): boolean {
  return a.sentAt > b.sentAt || (a.sentAt === b.sentAt && a.number > b.number);
}

/** A message and its reports by one statement, so that they belong to one moment. */
const historyStatement = (keysMayBeFolded: boolean): Statement => ({
  name: keysMayBeFolded ? 'history by all keys' : 'history',
  text: `
    SELECT ${logColumns}, m.received_at, (
      SELECT json_agg(json_build_array(r.said, r.state_before, r.received_at, r.version) ORDER BY r.version)::text
      FROM (
        (SELECT r.said, r.state_before, r.received_at, r.version FROM report r WHERE r.account_id = $1 AND r.sent_at = k.sent_at AND r.number = k.number AND r.sent_at >= $3
          ORDER BY r.version LIMIT ${limits.timelineFirstMax + 1})
        UNION
        (SELECT r.said, r.state_before, r.received_at, r.version FROM report r WHERE r.account_id = $1 AND r.sent_at = k.sent_at AND r.number = k.number AND r.sent_at >= $3
          ORDER BY r.version DESC LIMIT ${limits.timelineNewestMax})
      ) r
    ), k.sent_at, k.number
    FROM (
      SELECT * FROM (${placesOfIds('$1', 'ARRAY[$2::text]', keysMayBeFolded)}) k
      WHERE k.sent_at >= $3 ORDER BY k.number DESC
    ) k
    LEFT JOIN LATERAL (
      SELECT * FROM message o
      WHERE o.account_id = $1 AND o.sent_at = k.sent_at AND o.number = k.number AND o.sent_at >= $3
        AND o.message_id = k.message_id LIMIT 1
    ) m ON true
    ORDER BY k.number DESC`,
});

function shownOf(rows: readonly Row[], { filter }: Query): readonly LogRecord[] {
  const isInState = conditionMatcher(filter, { changes: true });
  return rows.map(row => shownIn(row, isInState));
}

/** The log as it is now, unless that no longer has what it was found by. */
function shownIn(row: Row, isInState: (log: LogRecord) => boolean): LogRecord {
  const log = logIn(row);
  return isInState(log) ? log : { ...identityIn(row), ...stateThen(row) };
}

/** What the message was recorded with, then each report with what held of it: its own word, or what it settled on. */
function timelineOf(row: Row, state: MessageState): Pick<MessageHistory, 'timeline' | 'omitted'> {
  const receivedAt = integer(row[logColumnCount]);
  const parts: readonly Row[] = JSON.parse(optional(row[logColumnCount + 1], text) ?? '[]');
  const reports = parts.map(([said, before, received, version]: Row) => ({
    said: readReport(text(said)),
    before: readState(text(before)),
    receivedAt: integer(received),
    version: integer(version),
  }));
  const initial = reports[0]?.before ?? state;
  const { timelineFirstMax, timelineNewestMax } = limits;
  const count = reports.at(-1)?.version ?? 0;
  const entries = reports.flatMap(({ said, receivedAt: received, version }, i): readonly TimelineEntry[] => {
    // The one after the first ones is read only for what it found.
    if (version > timelineFirstMax && version <= count - timelineNewestMax) return [];
    return [timelineEntry(said, reports[i + 1]?.before ?? state, received)];
  });
  return {
    timeline: [recordedEntry(initial, receivedAt), ...entries],
    omitted: count - entries.length,
  };
}

function boundedBookmark(walk: Walk): string {
  const bookmark = bookmarkOf(walk);
  if (bookmark.length > bookmarkCharsMax)
    throw new StoreUnavailable(`${walk.snapshot.running.length} transactions at once are too many to begin a walk`);
  return bookmark;
}

import { asksForState, valuesOf } from '../../../domain/filter.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { bigints, integers, texts } from '../../../postgres/arrays.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import type { Statement, Value } from '../../../postgres/session.ts';
import type { Damage } from '../log/damage.ts';
import { placesOfIds } from '../log/folded-keys.ts';
import { columnMs } from '../rows/column-ms.ts';
import type { Place } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';
import { firstUnseen, type Snapshot } from '../server/snapshot.ts';
import {
  headColumnCount,
  headColumns,
  isSeen,
  needlesOf,
  placeKey,
  readFrames,
  type Sealed,
  SealedBlock,
  type StoredFrame,
  type Wanted,
} from './sealed-block.ts';
import { keyFields, keyOf, sealedFrameRows } from './sealed-rows.ts';

/** Where messages may be in blocks: those sent before `until`. `seed` is that of their keys. */
export type Sealing = { readonly seed: number; readonly until: EpochMs };
/** The same, where it is read: what is damaged is told there. */
export type ReadSealing = Sealing & { readonly damage: Damage };

/** What reads blocks: what a `Source` reads together does. */
export type BlockSource = {
  read(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
  /** As `read`, by a plan that may gather rows by bitmaps and sort them. */
  readSorted(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
};

/** A block is in the partition of its newest message, and begins no earlier than that. */
const spanMsMax = limits.blockSpanMsMax;
/** Blocks that are looked at together, at first and at most. */
const [windowMin, windowMax] = [8, 64];
/** Where fewer of those that were looked at hold what is asked for, the rest is found by the index of keys. */
const rareShare = 1 / 4;
/** Frames that are read together at most. */
const framesMax = 64;
/** Places whose messages are read at once. */
const placesAtOnce = 256;

const furthest: Place = { sentAt: columnMs(Infinity), number: Number.MAX_SAFE_INTEGER };

/**
 * What is wanted of the sealed messages of a slice, newest first. With `then`, as text, the state that a message had when
 * the walk began, where that was another one and states are asked for.
 */
export async function* sealedMessages(
  source: BlockSource,
  { seed, damage }: ReadSealing,
  wanted: Wanted,
): AsyncGenerator<Sealed & { readonly then?: string }> {
  const { slice, filter, snapshot } = wanted;
  const asksThen = snapshot !== undefined && asksForState(filter);
  const needles = needlesOf(filter);
  const ids = valuesOf(filter, 'messageId');
  const found = ids === undefined ? framesFor(source, seed, wanted) : framesOfIds(source, wanted, ids);
  for await (const frames of found) {
    const read = readFrames(frames, one => tell(damage, slice, one));
    if (ids === undefined && !asksThen) {
      // One by one: whoever has enough of them stops, and the rest of a frame is not looked at.
      for (const frame of read) yield* frame.wanted(wanted, needles);
      continue;
    }
    const sealed = read.flatMap(frame => [...frame.wanted(wanted, needles)]);
    if (ids !== undefined) sealed.sort(newestFirst);
    // Nearly all were sealed long before the walk began.
    const changed = asksThen ? sealed.filter(({ stateTx }) => !isSeen(stateTx, snapshot)) : [];
    const states = asksThen ? await statesThen(source, slice, changed, snapshot) : undefined;
    for (const one of sealed) {
      const then = states?.get(one.place.number);
      yield then === undefined ? one : { ...one, then };
    }
  }
}

function newestFirst({ place: a }: Sealed, { place: b }: Sealed): number {
  return b.sentAt - a.sentAt || b.number - a.number;
}

/** A frame that may hold what is wanted, and is not read yet. */
type Frame = { readonly block: SealedBlock; readonly frame: number };

/** Frames that may hold what is wanted, some at a time, newest first. */
async function* framesFor(source: BlockSource, seed: number, wanted: Wanted): AsyncGenerator<readonly StoredFrame[]> {
  const { count = Infinity } = wanted;
  const asked = askedOf(wanted, seed);
  let size =
    asked.conditions.length > 0 ? windowMin : Math.min(windowMax, Math.ceil(count / limits.blockMessagesMax) + 1);
  let [behind, isRare] = [furthest, false];
  for (let left: readonly Frame[] = []; ; size = Math.min(2 * size, windowMax)) {
    const rows = await (isRare ? blocksWithKeys(source, asked, behind) : nextBlocks(source, asked, behind, size));
    const last = rows.at(-1);
    const isOver = last === undefined || rows.length < (isRare ? windowMax : size);
    const blocks = rows.map(row => new SealedBlock(row));
    const own = blocks.map((block, i) => holdingFrames(block, rows[i] ?? [], asked));
    const holding = own.filter(frames => frames.length > 0).length;
    const frames = [...left, ...own.flat()];
    const isGettingRare = !isRare && asked.conditions.length > 0 && holding < rows.length * rareShare;
    left = [];
    if (isGettingRare && !isOver) left = frames;
    else
      yield* inPortions(source, wanted, frames, frames.length / blocks.reduce((sum, block) => sum + block.frames, 0));
    if (isOver) return;
    isRare ||= isGettingRare;
    behind = { sentAt: integer(last[0]), number: integer(last[1]) };
  }
}

/** As many at a time as may well be enough, where such a share of frames holds what is asked for. */
async function* inPortions(
  source: BlockSource,
  { slice, count = Infinity }: Wanted,
  frames: readonly Frame[],
  share: number,
): AsyncGenerator<readonly StoredFrame[]> {
  // As if they fell into frames by chance.
  const rowsOfFrame = share < 1 ? Math.max(1, -Math.log(1 - share) * sealedFrameRows) : sealedFrameRows;
  const portion = Math.min(framesMax, Math.ceil(count / rowsOfFrame) + 1);
  for (let at = 0; at < frames.length; at += portion) yield storedFrames(source, slice, frames.slice(at, at + portion));
}

/** A condition's keys, a single one as it is; and whether they are of the states of now. */
type KeyCondition = { readonly keys: Value; readonly isOne: boolean; readonly changes: boolean };
type Asked = { readonly wanted: Wanted; readonly conditions: readonly KeyCondition[] };

function askedOf(wanted: Wanted, seed: number): Asked {
  const conditions = keyFields.flatMap((field): readonly KeyCondition[] => {
    const values = valuesOf(wanted.filter, field.name);
    if (values === undefined) return [];
    const [first = 0, ...others] = values.map(one => keyOf(seed, wanted.slice, field, one));
    const isOne = others.length === 0;
    return [{ keys: isOne ? first : integers([first, ...others]), isOne, changes: field.changes }];
  });
  return { wanted, conditions };
}

/** Where states of before are asked for, keys of states tell of blocks alone that are older. */
function holdingFrames(block: SealedBlock, row: Row, { wanted, conditions }: Asked): readonly Frame[] {
  const { snapshot } = wanted;
  const statesTell = snapshot === undefined || !block.mayBeNewerThan(snapshot);
  const telling = conditions.flatMap(({ changes }, i) =>
    changes && !statesTell ? [] : [text(row[headColumnCount + i])],
  );
  if (telling.includes('{}')) return [];
  const sets = telling.map(positions => block.framesOf(positions));
  return block.framesIn(wanted).flatMap(frame => (sets.every(set => set.has(frame)) ? [{ block, frame }] : []));
}

/**
 * The same for those that are found by their keys, said so that partitions are left out by it, and no index leads to it: of
 * few blocks the index of places seems as good a way, and the plan is kept when there are many.
 */
const inRangeByKeys = `(b.account_id = $1) IS TRUE AND (b.sent_at >= $2 OR b.sent_at > $2) AND (b.sent_at < $3 OR b.sent_at <= $4)
  AND b.oldest_sent_at < $4 AND ((b.sent_at, b.number) < ($5, $6)) IS TRUE`;
const inRange = `b.sent_at >= $2 AND b.sent_at < $3 AND b.oldest_sent_at < $4 AND (b.sent_at, b.number) < ($5, $6)`;
const rangeValues = ({ slice, since, until }: Wanted, behind: Place): readonly Value[] => [
  slice,
  columnMs(since),
  columnMs(until + spanMsMax),
  columnMs(until),
  behind.sentAt,
  behind.number,
];
const rangeValueCount = 6;

const keysIn = (i: number, { isOne }: KeyCondition) => `$${rangeValueCount + 1 + i}::integer${isOne ? '' : '[]'}`;

/** `headColumns`, and of each condition where the keys of a block have what it asks for. */
function columnsFor(conditions: Asked['conditions']): string {
  const positions = conditions.map((one, i) =>
    one.isOne
      ? `array_positions(b.keys, ${keysIn(i, one)})::text`
      : `ARRAY(SELECT p FROM unnest(${keysIn(i, one)}) v CROSS JOIN LATERAL unnest(array_positions(b.keys, v)) p)::text`,
  );
  return [headColumns, ...positions].join(', ');
}

/** Which conditions a statement has. */
function shapeOf({ wanted: { snapshot }, conditions }: Asked): string {
  return conditions.map(({ isOne, changes }) => `${isOne ? 1 : 'n'}${changes && snapshot ? 's' : ''}`).join(' ');
}

/** The next blocks that may be of the time. */
function nextBlocks(source: BlockSource, asked: Asked, behind: Place, size: number) {
  const { wanted, conditions } = asked;
  const statement = {
    name: `blocks ${conditions.map(({ isOne }) => (isOne ? 1 : 'n')).join(' ')}`,
    isOneOfMany: true,
    text: `SELECT ${columnsFor(conditions)} FROM block b WHERE b.account_id = $1 AND ${inRange}
      ORDER BY b.sent_at DESC, b.number DESC LIMIT $${rangeValueCount + conditions.length + 1}`,
  };
  return source.read(statement, [...rangeValues(wanted, behind), ...conditions.map(({ keys }) => keys), size]);
}

/**
 * The next blocks whose keys hold what is asked for, or that are newer than the walk where states are asked for. In this
 * form no other indexes than those of keys and of transactions come into question.
 */
function blocksWithKeys(source: BlockSource, asked: Asked, behind: Place) {
  const { wanted, conditions } = asked;
  const { snapshot } = wanted;
  const have = conditions.map((one, i) => ({
    changes: one.changes,
    where: `b.keys && ${one.isOne ? `ARRAY[${keysIn(i, one)}]` : keysIn(i, one)}`,
  }));
  const all = (wheres: readonly string[]) => [...wheres, inRangeByKeys].join(' AND ');
  const ways = [all(have.map(({ where }) => where))];
  const fixed = have.filter(({ changes }) => !changes).map(({ where }) => where);
  const isThen = snapshot !== undefined && fixed.length < have.length;
  if (isThen) {
    const states = have.filter(({ changes }) => changes).map(({ where }) => where);
    const isNewer = `b.newest_tx >= $${rangeValueCount + conditions.length + 1}`;
    ways.push(all([...fixed, isNewer, `NOT (${states.join(' AND ')})`]));
  }
  const found = ways.map(way => `SELECT ${columnsFor(conditions)} FROM block b WHERE ${way}`).join(' UNION ALL ');
  const statement = {
    name: `blocks by keys ${shapeOf(asked)}`,
    text: `WITH found AS MATERIALIZED (${found})
      SELECT * FROM found b ORDER BY b.sent_at DESC, b.number DESC LIMIT ${windowMax}`,
  };
  const newer = isThen ? [firstUnseen(snapshot)] : [];
  return source.readSorted(statement, [
    ...rangeValues(wanted, behind),
    ...conditions.map(({ keys }) => keys),
    ...newer,
  ]);
}

const framesOfBlocks: Statement = {
  name: 'frames of blocks',
  text: `
    SELECT u.i, b.bytes
    FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::integer[]) WITH ORDINALITY u (sent_at, number, at, bytes, i)
    CROSS JOIN LATERAL (
      SELECT substring(b.bytes FROM u.at FOR u.bytes) AS bytes FROM block b
      WHERE b.account_id = $1 AND b.sent_at = u.sent_at AND b.number = u.number AND b.sent_at BETWEEN $6 AND $7 OFFSET 0
    ) b`,
};

async function storedFrames(
  source: Pick<BlockSource, 'read'>,
  slice: Slice,
  frames: readonly Frame[],
): Promise<readonly StoredFrame[]> {
  const parts = frames.map(({ block, frame }) => block.bytesOf(frame));
  const sentAts = frames.map(({ block }) => block.newest.sentAt);
  const rows = await source.read(framesOfBlocks, [
    slice,
    bigints(sentAts),
    bigints(frames.map(({ block }) => block.newest.number)),
    integers(parts.map(({ at }) => at + 1)),
    integers(parts.map(({ bytes }) => bytes)),
    Math.min(...sentAts),
    Math.max(...sentAts),
  ]);
  const stored = new Map(rows.map(([i, bytes]) => [integer(i), bytesIn(bytes)]));
  return frames.map((frame, i) => ({ ...frame, stored: stored.get(i + 1) ?? Buffer.alloc(0) }));
}

function bytesIn(cell: unknown): Buffer {
  if (!Buffer.isBuffer(cell)) throw new TypeError('a frame has no bytes');
  return cell;
}

/** The frames that the places `u` are in, each once. `bounds`: between which times these are. */
const framesOf = (places: string, bounds: string) => `
    SELECT ${headColumns}, f.frame, substring(b.bytes FROM coalesce(b.frame_ends[f.frame - 1], 0) + 1
      FOR b.frame_ends[f.frame] - coalesce(b.frame_ends[f.frame - 1], 0))
    FROM (
      SELECT DISTINCT f.sent_at, f.number, f.frame
      FROM ${places}
      CROSS JOIN LATERAL (
        SELECT b.sent_at, b.number, (
          SELECT count(*)::integer FROM unnest(b.frame_sent_ats, b.frame_numbers) s (sent_at, number)
          WHERE (s.sent_at, s.number) <= (u.sent_at, u.number)
        ) AS frame
        FROM block b
        WHERE b.account_id = $1 AND (b.sent_at, b.number) >= (u.sent_at, u.number)
          AND b.sent_at >= u.sent_at AND b.sent_at < u.sent_at + ${spanMsMax} AND b.sent_at ${bounds}
        ORDER BY b.sent_at, b.number LIMIT 1
      ) f
      WHERE f.frame > 0
    ) f
    CROSS JOIN LATERAL (
      SELECT b.tableoid, b.* FROM block b
      WHERE b.account_id = $1 AND b.sent_at = f.sent_at AND b.number = f.number AND b.sent_at ${bounds} OFFSET 0
    ) b`;

const framesOfPlaces: Statement = {
  name: 'frames of places',
  text: framesOf('unnest($2::bigint[], $3::bigint[]) u (sent_at, number)', 'BETWEEN $4 AND $5'),
};

const framesOfKeys: Statement = {
  name: 'frames of ids',
  text: framesOf(
    `(SELECT k.sent_at, k.number FROM (${placesOfIds('$1', '$2::text[]', true)}) k
      WHERE k.sent_at >= $3 AND k.sent_at < $4) u`,
    `BETWEEN $3 AND $4 + ${spanMsMax}`,
  ),
};

/** Of rows of `framesOf`. */
function framesIn(rows: readonly Row[]): readonly StoredFrame[] {
  return rows.map(row => ({
    block: new SealedBlock(row),
    frame: integer(row[headColumnCount]) - 1,
    stored: bytesIn(row[headColumnCount + 1]),
  }));
}

async function* framesOfIds(
  source: BlockSource,
  { slice, since, until }: Wanted,
  ids: readonly string[],
): AsyncGenerator<readonly StoredFrame[]> {
  yield framesIn(await source.read(framesOfKeys, [slice, texts(ids), columnMs(since), columnMs(until)]));
}

/** The messages at some places that are sealed, by their numbers; also those that were taken out since, as they were. */
export async function sealedAt(
  source: Pick<BlockSource, 'read'>,
  slice: Slice,
  places: readonly Place[],
  damage: Damage,
): Promise<ReadonlyMap<number, Sealed>> {
  const found = new Map<number, Sealed>();
  const sought = new Set(places.map(placeKey));
  // Neighbours are in the same frame.
  const inOrder = places.toSorted((a, b) => a.sentAt - b.sentAt || a.number - b.number);
  for (let at = 0; at < inOrder.length; at += placesAtOnce) {
    const asked = inOrder.slice(at, at + placesAtOnce);
    const rows = await source.read(framesOfPlaces, [
      slice,
      bigints(asked.map(({ sentAt }) => sentAt)),
      bigints(asked.map(({ number }) => number)),
      asked[0]?.sentAt ?? 0,
      (asked.at(-1)?.sentAt ?? 0) + spanMsMax,
    ]);
    for (const frame of readFrames(framesIn(rows), one => tell(damage, slice, one)))
      for (const sealed of frame.at(sought)) found.set(sealed.place.number, sealed);
  }
  return found;
}

function tell(damage: Damage, slice: Slice, { block, frame }: StoredFrame): void {
  const { sentAt, number } = block.newest;
  const loss = { slice, ...block.spanOf(frame), messages: block.rowsIn(frame) };
  damage.add(block.partition, `${slice} ${sentAt} ${number} ${frame}`, loss);
}

/** By number, as text: what the first report on each found that the snapshot does not show. */
async function statesThen(
  source: BlockSource,
  slice: Slice,
  sealed: readonly Sealed[],
  { end, running }: Snapshot,
): Promise<ReadonlyMap<number, string>> {
  if (sealed.length === 0) return new Map();
  const sentAts = sealed.map(({ place }) => place.sentAt);
  const rows = await source.read(firstUnseenStates, [
    slice,
    bigints(sentAts),
    bigints(sealed.map(({ place }) => place.number)),
    Math.min(...sentAts),
    Math.max(...sentAts),
    end,
    bigints(running),
  ]);
  return new Map(rows.map(row => [integer(row[0]), text(row[1])]));
}

const firstUnseenStates: Statement = {
  name: 'first unseen states',
  text: `
    SELECT u.number, r.state_before
    FROM unnest($2::bigint[], $3::bigint[]) u (sent_at, number)
    CROSS JOIN LATERAL (
      SELECT r.state_before FROM report r
      WHERE r.account_id = $1 AND r.sent_at = u.sent_at AND r.number = u.number AND r.sent_at BETWEEN $4 AND $5
        AND NOT (r.tx < $6 AND r.tx <> ALL ($7::bigint[]))
      ORDER BY r.version LIMIT 1
    ) r`,
};

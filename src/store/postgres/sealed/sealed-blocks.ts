import { asksForState, valuesOf } from '../../../domain/filter.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { bigints, integers, texts } from '../../../postgres/arrays.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import type { Statement, Value } from '../../../postgres/session.ts';
import type { Place } from '../rows/log-row.ts';
import { moment } from '../rows/moment.ts';
import type { Slice } from '../rows/slices.ts';
import { firstUnseen, type Snapshot } from '../server/snapshot.ts';
import { blockColumns, isBehind, isSeen, type Sealed, SealedBlock, type Wanted } from './sealed-block.ts';
import { keyFields, keyOf } from './sealed-rows.ts';

/** Where messages may be in blocks: those sent before `until`. `seed` is that of their keys. */
export type Sealing = { readonly seed: number; readonly until: EpochMs };

/** What reads blocks: what a `Source` reads together does. */
export type BlockSource = {
  read(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
  /** As `read`, by a plan that may gather rows by bitmaps and sort them. */
  readSorted(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
};

/** A block is in the partition of its newest message, and begins no earlier than that. */
const spanMsMax = limits.blockSpanMsMax;
/** Blocks that are looked at together, at first and at most. */
const [windowMin, windowMax] = [4, 64];
/** Where fewer of those that were looked at hold what is asked for, the rest is found by the index of keys. */
const rareShare = 1 / 4;
/** Places whose blocks are read at once. */
const placesAtOnce = 256;

const furthest: Place = { sentAt: moment(Infinity), number: Number.MAX_SAFE_INTEGER };

/**
 * What is wanted of the sealed messages of a slice, newest first. With `then`, as text, the state that a message had when
 * the walk began, where that was another one and states are asked for.
 */
export async function* sealedMessages(
  source: BlockSource,
  { seed }: Sealing,
  wanted: Wanted,
): AsyncGenerator<Sealed & { readonly then?: string }> {
  const { slice, filter, snapshot } = wanted;
  for await (const block of blocksFor(source, seed, wanted)) {
    const changed = (one: Sealed) =>
      snapshot !== undefined && asksForState(filter) && !isSeen(one.stateTx, snapshot) ? snapshot : undefined;
    // Nearly all were sealed long before the walk began.
    if (snapshot === undefined || !block.mayBeNewerThan(snapshot) || !asksForState(filter))
      yield* block.wanted(wanted, seed);
    else {
      const all = [...block.wanted(wanted, seed)];
      const states = await statesThen(source, slice, all.filter(changed), snapshot);
      for (const one of all) {
        const then = states.get(one.place.number);
        yield then === undefined ? one : { ...one, then };
      }
    }
  }
}

async function* blocksFor(source: BlockSource, seed: number, wanted: Wanted): AsyncGenerator<SealedBlock> {
  const { slice, filter } = wanted;
  const ids = valuesOf(filter, 'messageId');
  if (ids !== undefined) {
    const rows = await source.read(placesOfIds, [slice, texts(ids), moment(wanted.since), moment(wanted.until)]);
    const places = rows.map(row => ({ sentAt: integer(row[0]), number: integer(row[1]) }));
    const blocks = await blocksAt(source, slice, places);
    yield* blocks.toSorted((a, b) => b.newest.sentAt - a.newest.sentAt || b.newest.number - a.newest.number);
    return;
  }
  let behind = furthest;
  for (let size = windowMin; ; size = Math.min(2 * size, windowMax)) {
    const { statement, values, hasKeys } = windowStatement(wanted, seed, behind, size);
    const rows = await source.read(statement, values);
    const holding = rows.filter(row => row[6] !== null);
    for (const row of holding) yield SealedBlock.of(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    behind = { sentAt: integer(last[0]), number: integer(last[1]) };
    if (hasKeys && holding.length < rows.length * rareShare) break;
  }
  for (;;) {
    const { statement, values } = keysStatement(wanted, seed, behind);
    const rows = await source.readSorted(statement, values);
    for (const row of rows) yield SealedBlock.of(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < windowMax) return;
    behind = { sentAt: integer(last[0]), number: integer(last[1]) };
  }
}

const placesOfIds: Statement = {
  name: 'places of ids',
  text: `SELECT k.sent_at, k.number FROM message_key k
    WHERE k.account_id = $1 AND k.message_id = ANY ($2::text[]) AND k.sent_at >= $3 AND k.sent_at < $4`,
};

type Shape = { readonly statement: Statement; readonly values: readonly Value[]; readonly hasKeys: boolean };

/** The next blocks that may be of the time; of those whose keys do not hold what is asked for, the place alone. */
function windowStatement(wanted: Wanted, seed: number, behind: Place, size: number): Shape {
  const { values, inRange, keys, shape } = partsOf(wanted, seed, behind);
  const holds = keys.length === 0 ? 'true' : keys.join(' AND ');
  const columns = blockColumns.replace('b.bytes', `CASE WHEN ${holds} THEN b.bytes END AS bytes`);
  return {
    statement: {
      name: `blocks ${size} ${shape}`,
      isOneOfMany: true,
      text: `SELECT ${columns} FROM block b WHERE b.account_id = $1 AND ${inRange}
        ORDER BY b.sent_at DESC, b.number DESC LIMIT ${size}`,
    },
    values,
    hasKeys: keys.length > 0 && !shape.includes('s'),
  };
}

/** The next blocks whose keys hold what is asked for. In this form no other index than that of keys comes into question. */
function keysStatement(wanted: Wanted, seed: number, behind: Place): Pick<Shape, 'statement' | 'values'> {
  const { values, inRange, keys, shape } = partsOf(wanted, seed, behind);
  return {
    statement: {
      name: `blocks by keys ${shape}`,
      text: `
        WITH found AS MATERIALIZED (
          SELECT ${blockColumns} FROM block b WHERE ${keys.join(' AND ')} AND (b.account_id = $1) IS TRUE AND ${inRange}
        )
        SELECT * FROM found b ORDER BY b.sent_at DESC, b.number DESC LIMIT ${windowMax}`,
    },
    values,
  };
}

/** `shape` tells which conditions there are. Where states of before are asked for, keys of states tell of blocks alone that are older. */
function partsOf({ slice, filter, since, until, snapshot }: Wanted, seed: number, behind: Place) {
  const values: Value[] = [slice];
  const value = (one: Value) => `$${values.push(one)}`;
  const inRange = `b.sent_at >= ${value(moment(since))} AND b.sent_at < ${value(moment(until + spanMsMax))}
    AND b.oldest_sent_at < ${value(moment(until))}
    AND (b.sent_at, b.number) < (${value(behind.sentAt)}, ${value(behind.number)})`;
  const keys: string[] = [];
  let shape = '';
  for (const field of keyFields) {
    const asked = valuesOf(filter, field.name);
    if (asked === undefined) continue;
    const hashes = value(integers(asked.map(one => keyOf(seed, slice, field, one))));
    const holds = `b.keys && ${hashes}::integer[]`;
    const isOfState = field.changes && snapshot !== undefined;
    keys.push(isOfState ? `(${holds} OR b.newest_tx >= ${value(firstUnseen(snapshot))})` : holds);
    shape += isOfState ? 's' : 'k';
  }
  return { values, inRange, keys, shape };
}

/** The blocks that some places are in, each once. */
export async function blocksAt(
  source: Pick<BlockSource, 'read'>,
  slice: Slice,
  places: readonly Place[],
): Promise<readonly SealedBlock[]> {
  const found = new Map<string, SealedBlock>();
  // Neighbours are in the same block.
  const inOrder = places.toSorted((a, b) => (isBehind(a, b) ? -1 : 1));
  for (let at = 0; at < inOrder.length; at += placesAtOnce) {
    const asked = inOrder.slice(at, at + placesAtOnce);
    const sentAts = asked.map(({ sentAt }) => sentAt);
    const rows = await source.read(blocksOfPlaces, [
      slice,
      bigints(sentAts),
      bigints(asked.map(({ number }) => number)),
      Math.min(...sentAts),
      Math.max(...sentAts) + spanMsMax,
    ]);
    for (const row of rows) found.set(`${row[0]} ${row[1]}`, SealedBlock.of(row));
  }
  return [...found.values()];
}

/** The messages at some places that are sealed, by their numbers; also those that were taken out since, as they were. */
export async function sealedAt(
  source: Pick<BlockSource, 'read'>,
  slice: Slice,
  places: readonly Place[],
): Promise<ReadonlyMap<number, Sealed>> {
  const found = new Map<number, Sealed>();
  if (places.length === 0) return found;
  for (const block of await blocksAt(source, slice, places))
    for (const sealed of block.at(places)) found.set(sealed.place.number, sealed);
  return found;
}

const blocksOfPlaces: Statement = {
  name: 'blocks of places',
  text: `
    SELECT ${blockColumns}
    FROM (
      SELECT DISTINCT f.sent_at, f.number
      FROM unnest($2::bigint[], $3::bigint[]) u (sent_at, number)
      CROSS JOIN LATERAL (
        SELECT * FROM block b
        WHERE b.account_id = $1 AND (b.sent_at, b.number) >= (u.sent_at, u.number)
          AND b.sent_at >= u.sent_at AND b.sent_at < u.sent_at + ${spanMsMax} AND b.sent_at BETWEEN $4 AND $5
        ORDER BY b.sent_at, b.number LIMIT 1
      ) f
      WHERE (f.oldest_sent_at, f.oldest_number) <= (u.sent_at, u.number)
    ) f
    CROSS JOIN LATERAL (
      SELECT b.tableoid, b.* FROM block b
      WHERE b.account_id = $1 AND b.sent_at = f.sent_at AND b.number = f.number AND b.sent_at BETWEEN $4 AND $5 OFFSET 0
    ) b`,
};

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

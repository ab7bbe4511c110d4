import { type Disk, fileCrc } from '../files/disk.ts';
import { EarlierRows } from '../rows/earlier-rows.ts';
import { finishJournal } from '../rows/journal-writer.ts';
import type { PackedCounts } from '../segment/counts.ts';
import { facetSections } from '../segment/facets.ts';
import { absentHash, fields } from '../segment/fields.ts';
import { freeSections, type IndexHeader, type Sections, writeIndexFile } from '../segment/index-file.ts';
import { indexedCounts } from '../segment/indexed-counts.ts';
import { isEarlier, ofSegment, openRowsAt } from '../segment/open-rows.ts';
import { ordinalsMax } from '../segment/position.ts';
import {
  type Columns,
  lossesIn,
  maxSentAt,
  messagesIn,
  minSentAt,
  noAccount,
  reportedUntil,
  reportsIn,
  type SharedSegment,
} from '../segment/shared-segment.ts';
import type { SegmentContents } from '../threads/messages.ts';

/**
 * Writes the index and the facets of a segment that takes no more rows; gives why there are no facets when they could not
 * be written: they can be made later.
 */
export function sealWithFacets(
  disk: Disk,
  paths: { readonly rows: string; readonly index: string; readonly facets: string },
  segment: SharedSegment,
  { columns, counts, meanings }: SegmentContents,
  hashSeed: number,
): Error | undefined {
  const header = sealSegment(disk, paths, segment, columns, counts, hashSeed);
  try {
    const accounts = columns.account.subarray(0, header.messages);
    const sections = facetSections(columns.facets, meanings, accounts, header.reports);
    if (sections === undefined) return undefined;
    writeIndexFile(disk, paths.facets, header, sections);
    freeSections(sections);
    return undefined;
  } catch (error) {
    // A full disk has no room for half of a file.
    disk.remove(`${paths.facets}.tmp`);
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Writes the index of a segment that takes no more rows, and what its rows are sealed by into their file. */
export function sealSegment(
  disk: Disk,
  paths: { readonly rows: string; readonly index: string },
  segment: SharedSegment,
  columns: Columns,
  counts: PackedCounts,
  hashSeed: number,
): IndexHeader {
  settleRows(disk, paths.rows, segment, columns, hashSeed);
  const reports = reportsIn(segment);
  const count = messagesIn(segment);
  const [from, to] = count === 0 ? [0, 0] : [minSentAt(segment), maxSentAt(segment)];
  const wideTimes = to - from >= 2 ** 32;
  const order = timeOrder(columns, count, from, wideTimes);
  const sections: Sections = {
    times: offsetTimes(columns, count, from, wideTimes),
    ...byAccount(columns, order),
    group: columns.initialGroup.slice(0, count),
    reportMessages: columns.reportMessages.subarray(0, reports),
    reportGroups: columns.reportGroups.subarray(0, reports),
    ...reportsByAccount(columns, reports),
  };
  for (const [name, array] of Object.entries(indexedCounts(counts)))
    Object.assign(sections, { [`counts.${name}`]: array });
  for (const [field, name] of fields.entries()) Object.assign(sections, postings(name, columns, field, order));
  const header: IndexHeader = {
    segment: segment.id,
    hashSeed,
    messages: count,
    reports,
    firstSequence: segment.firstSequence,
    minSentAt: from,
    maxSentAt: to,
    reportedUntil: reports === 0 ? null : reportedUntil(segment),
    ...lossesIn(segment),
    timeBase: from,
    wideTimes,
    rowsBytes: disk.size(paths.rows) ?? 0,
    rowsCrc: fileCrc(disk, paths.rows),
  };
  writeIndexFile(disk, paths.index, header, sections);
  freeSections(sections);
  return header;
}

/** Of this thread: what is sorted for one section. */
let sortingRoom = new Float64Array(0);

function roomToSort(count: number): Float64Array<ArrayBuffer> {
  if (sortingRoom.length < count) sortingRoom = new Float64Array(count);
  return sortingRoom.subarray(0, count);
}

function settleRows(disk: Disk, path: string, segment: SharedSegment, { places }: Columns, hashSeed: number): void {
  if (isEarlier(path)) checkpoint(path);
  else {
    const [end = 0] = places.reach;
    finishJournal(disk, path, { end, messages: messagesIn(segment), reports: reportsIn(segment) });
  }
  ofSegment(openRowsAt(disk, path), { id: segment.id, hashSeed }).close();
}

function checkpoint(path: string): void {
  const rows = new EarlierRows(path, 'settle');
  try {
    rows.checkpoint();
  } finally {
    rows.close();
  }
}

/** The ordinals by `sentAt`, then by themselves. */
function timeOrder(columns: Columns, count: number, from: number, wideTimes: boolean): Uint32Array {
  const order = new Uint32Array(count);
  const { sentAt } = columns;
  if (wideTimes) {
    for (let i = 0; i < count; i++) order[i] = i;
    return order.sort((a, b) => (sentAt[a] ?? 0) - (sentAt[b] ?? 0) || a - b);
  }
  // Time and ordinal in one double: sorting numbers without a comparator is thirty times faster.
  const keys = roomToSort(count);
  for (let i = 0; i < count; i++) keys[i] = ((sentAt[i] ?? 0) - from) * ordinalsMax + i;
  keys.sort();
  for (let i = 0; i < count; i++) order[i] = (keys[i] ?? 0) % ordinalsMax;
  return order;
}

function offsetTimes(columns: Columns, count: number, from: number, wideTimes: boolean): Uint32Array | Float64Array {
  const times = wideTimes ? new Float64Array(count) : new Uint32Array(count);
  for (let i = 0; i < count; i++) times[i] = (columns.sentAt[i] ?? 0) - from;
  return times;
}

function byAccount(columns: Columns, order: Uint32Array): Sections {
  const counts = new Map<number, number>();
  for (const ordinal of order) {
    const account = columns.account[ordinal] ?? 0;
    counts.set(account, (counts.get(account) ?? 0) + 1);
  }
  const accounts = Float64Array.from(counts.keys()).sort();
  const starts = new Uint32Array(accounts.length + 1);
  const next = new Map<number, number>();
  for (const [i, account] of accounts.entries()) {
    next.set(account, starts[i] ?? 0);
    starts[i + 1] = (starts[i] ?? 0) + (counts.get(account) ?? 0);
  }
  if (accounts.length === 1) return { accounts, accountStarts: starts, order };
  const grouped = new Uint32Array(order.length);
  for (const ordinal of order) {
    const account = columns.account[ordinal] ?? 0;
    const place = next.get(account) ?? 0;
    grouped[place] = ordinal;
    next.set(account, place + 1);
  }
  return { accounts, accountStarts: starts, order: grouped };
}

function reportsByAccount({ reportAccount }: Columns, count: number): Sections {
  const places = new Map<number, number[]>();
  for (let place = 0; place < count; place++) {
    const account = reportAccount[place] ?? noAccount;
    const own = places.get(account);
    if (own === undefined) places.set(account, [place]);
    else own.push(place);
  }
  // Nobody has those that are lost.
  places.delete(noAccount);
  const accounts = Float64Array.from(places.keys()).sort();
  const starts = new Uint32Array(accounts.length + 1);
  const order = new Uint32Array(count);
  for (const [i, account] of accounts.entries()) {
    const own = places.get(account) ?? [];
    order.set(own, starts[i]);
    starts[i + 1] = (starts[i] ?? 0) + own.length;
  }
  return { reportAccounts: accounts, reportStarts: starts, reportOrder: order.subarray(0, starts.at(-1)) };
}

/** The bits of a hash that are sorted by at a time, least first: three times, the last of them into memory of their own. */
const digitBits = 11;
const digits = 2 ** digitBits;

/**
 * The hashes that there are in ascending order, and the ordinals of each, in the order given. Digit by digit: comparing keys took
 * three times as long, and two thirds of sealing.
 */
function sortedByHash(column: Uint32Array, order: Uint32Array) {
  const { buffer, byteOffset } = roomToSort(order.length);
  let from = new Uint32Array(buffer, byteOffset, order.length);
  let fromOrdinals = new Uint32Array(buffer, byteOffset + from.byteLength, order.length);
  let count = 0;
  for (let rank = 0; rank < order.length; rank++) {
    const ordinal = order[rank] ?? 0;
    const hash = column[ordinal] ?? absentHash;
    if (hash === absentHash) continue;
    from[count] = hash;
    fromOrdinals[count++] = ordinal;
  }
  let hashes = new Uint32Array(count);
  let ordinals = new Uint32Array(count);
  for (let shift = 0; shift < 32; shift += digitBits) {
    const ends = new Uint32Array(digits + 1);
    for (let i = 0; i < count; i++) {
      const digit = ((from[i] ?? 0) >>> shift) % digits;
      ends[digit + 1] = (ends[digit + 1] ?? 0) + 1;
    }
    for (let digit = 0; digit < digits; digit++) ends[digit + 1] = (ends[digit + 1] ?? 0) + (ends[digit] ?? 0);
    for (let i = 0; i < count; i++) {
      const hash = from[i] ?? 0;
      const digit = (hash >>> shift) % digits;
      const place = ends[digit] ?? 0;
      ends[digit] = place + 1;
      hashes[place] = hash;
      ordinals[place] = fromOrdinals[i] ?? 0;
    }
    [from, hashes] = [hashes, from];
    [fromOrdinals, ordinals] = [ordinals, fromOrdinals];
  }
  return { hashes: from, ordinals: fromOrdinals };
}

function postings(name: (typeof fields)[number], columns: Columns, field: number, order: Uint32Array): Sections {
  const column = columns.hashes[field];
  if (column === undefined) throw new RangeError(`no column ${field}`);
  const { hashes, ordinals } = sortedByHash(column, order);
  const count = hashes.length;
  let distinct = 0;
  for (let i = 0; i < count; i++) if (i === 0 || hashes[i - 1] !== hashes[i]) distinct++;
  if (distinct * 2 > count) return { [`${name}.hashes`]: hashes, [`${name}.ordinals`]: ordinals };
  const once = new Uint32Array(distinct);
  const starts = new Uint32Array(distinct + 1);
  let at = -1;
  for (let i = 0; i < count; i++)
    if (i === 0 || hashes[i - 1] !== hashes[i]) {
      once[++at] = hashes[i] ?? 0;
      starts[at] = i;
    }
  starts[distinct] = count;
  return { [`${name}.hashes`]: once, [`${name}.starts`]: starts, [`${name}.ordinals`]: ordinals };
}

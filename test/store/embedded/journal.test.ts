import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { isDamage } from '../../../src/store/embedded/files/damage.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { type Places, soundFrames } from '../../../src/store/embedded/rows/journal-format.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import {
  createJournal,
  finishJournal,
  JournalWriter,
  syncJournal,
  writeJournal,
} from '../../../src/store/embedded/rows/journal-writer.ts';
import {
  messageCells,
  messageOfCells,
  reportCells,
  reportOfCells,
} from '../../../src/store/embedded/rows/row-cells.ts';
import { headAt, messageAt, reportAt } from '../../../src/store/embedded/rows/row-frame.ts';
import type { MessageRow, ReportRow, Rows } from '../../../src/store/embedded/rows/rows.ts';
import { type Fault, randomOf, SimulatedDisk } from '../../support/simulated-disk.ts';

const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-journal-'));
afterAll(() => rmSync(place, { recursive: true }));
const folder = join(place, 'folder');
mkdirSync(folder);
const path = join(folder, 'journal');
const meta = { segment: 7, firstSequence: 2 ** 33 + 5, createdAt: 1_700_000_000_000 };

const newPlaces = (room = 200): Places => ({
  messages: new Uint32Array(room),
  reports: new Uint32Array(room),
  reach: new Float64Array(4),
});

const anyNumber = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0),
);
const anyTime = fc.integer({ min: 1_699_990_000_000, max: 1_700_010_000_000 });
const anyText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.constant('x'.repeat(9000)));
const sent = fc.oneof(anyTime, anyTime, anyNumber);
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value);
const currency = fc.constantFrom('EUR', 'AAA', 'ZZZ');
/** As UTF-8 keeps it: half of a pair of surrogates is no character. */
const kept = (text: string) => text.toWellFormed();
const text = anyText.map(kept);

const anyMessage = fc.tuple(
  ...[fc.nat(), sent, sent, anyNumber, anyNumber, sent],
  ...[orNull(sent), orNull(sent), orNull(anyNumber), orNull(currency), fc.nat(), orNull(text), text],
);
const anyReport = fc.tuple(
  ...[fc.nat(3), anyNumber, anyNumber, sent, orNull(sent), orNull(sent), orNull(anyNumber), orNull(currency)],
  ...[orNull(text), fc.nat(2 ** 40), sent, text, fc.constantFrom(1, 2), sent, fc.constantFrom(0, 1), orNull(text)],
);
const anyGroups = fc.array(fc.array(fc.oneof(anyMessage, anyReport), { maxLength: 12 }), {
  minLength: 1,
  maxLength: 5,
});

type Model = { readonly messages: MessageRow[]; readonly reports: ReportRow[] };

/** Gives the rows their numbers, and writes them, group by group. */
function written(groups: readonly (readonly (readonly unknown[])[])[], writer: JournalWriter): Model {
  const model: Model = { messages: [], reports: [] };
  for (const group of groups) {
    writer.begin();
    for (const values of group)
      if (values.length === 13) {
        const row = messageOfCells([model.messages.length, 1 + (Number(values[0]) % 2), ...values.slice(1)]);
        model.messages.push(row);
        writer.insertMessage(row);
      } else {
        const sequence = meta.firstSequence + model.reports.length;
        const [back, ...rest] = values as [number, ...unknown[]];
        const row = reportOfCells([sequence, back === 0 ? 0 : sequence - back, ...rest]);
        model.reports.push(row);
        writer.insertReport(row);
      }
    expectAll(writer, model);
    writer.commit();
  }
  return model;
}

function fresh(): { readonly writer: JournalWriter; readonly places: Places } {
  rmSync(path, { force: true });
  createJournal(systemDisk, path, meta);
  const places = newPlaces();
  return { writer: new JournalWriter(path, systemDisk, 'full', places), places };
}

const numberOf = (row: { readonly ordinal: number } | { readonly sequence: number }) =>
  'ordinal' in row ? row.ordinal : row.sequence;
const ordered = <R extends Parameters<typeof numberOf>[0]>(rows: readonly R[]) =>
  [...rows].sort((a, b) => numberOf(a) - numberOf(b));

/** Asks for everything in every way. */
function expectAll(rows: Rows, { messages, reports }: Model): void {
  const { firstSequence } = meta;
  expect([rows.count(), rows.reportCount(firstSequence)]).toEqual([messages.length, reports.length]);
  expect(rows.messagesFrom(0, 1000)).toEqual(messages);
  expect(rows.reportsFrom(0, 1000)).toEqual(reports);
  expect(rows.messagesFrom(3, 4)).toEqual(messages.slice(3, 7));
  expect(rows.reportsFrom(firstSequence + 2, 3)).toEqual(reports.slice(2, 5));
  expect(messages.map((_, i) => rows.message(i))).toEqual(messages);
  expect(rows.message(messages.length)).toBeUndefined();
  expect(reports.map(({ sequence }) => rows.report(sequence))).toEqual(reports);
  const odd = messages.filter((_, i) => i % 2 > 0);
  expect(ordered(rows.messages([99, ...odd.map(({ ordinal }) => ordinal).reverse()]))).toEqual(odd);
  const sequences = reports.map(({ sequence }) => sequence);
  const states = reports.map(row => reportOfCells(reportCells(row).slice(0, 10)));
  expect(ordered(rows.states(sequences))).toMatchObject(states);
  expect(ordered(rows.reports(sequences))).toEqual(reports);
  const own = new Set(messages.map(row => row.account));
  expect(rows.accounts().map(({ account }) => account)).toEqual([...own].sort());
}

const endOf = ({ reach: [end = 0, messages = 0, reports = 0] }: Places) => ({ end, messages, reports });

function opened(work: (rows: JournalRows) => void, places?: Places): void {
  const rows = new JournalRows(path, systemDisk, places);
  try {
    expect(rows.meta()).toEqual(meta);
    work(rows);
  } finally {
    rows.close();
  }
}

test('any rows → read as they are: before they are durable, beside the writer, of the whole file, and by the footer', () => {
  fc.assert(
    fc.property(anyGroups, groups => {
      const { writer, places } = fresh();
      const model = written(groups, writer);
      opened(rows => expectAll(rows, model), places);
      writer.close();
      opened(rows => expectAll(rows, model));
      for (let twice = 0; twice < 2; twice++) {
        finishJournal(systemDisk, path, endOf(places));
        opened(rows => expectAll(rows, model));
      }
    }),
    { numRuns: 40 },
  );
});

function modelOf(count: number): Model {
  const { createdAt, firstSequence } = meta;
  return {
    messages: Array.from({ length: count }, (_, i) => messageOf(i, createdAt)),
    reports: Array.from({ length: count }, (_, i) =>
      reportOfCells([
        ...[firstSequence + i, 0, 30_005, 0, createdAt, null, null, null, null, null],
        ...[7 * 2 ** 20 + i, createdAt, '{"s":1}', 1, createdAt, 1, 'moved'],
      ]),
    ),
  };
}

function messageOf(
  ordinal: number,
  at: number,
  body = `id-${ordinal}\x1f\x1fpage\x1fperson\x1f\x1f\x1f\x1f{}`,
): MessageRow {
  return messageOfCells([ordinal, 1, at, at, 10_007, 0, at, null, null, null, null, 1, null, body]);
}

/** Three groups: their rows, and where each group begins and the last ends. */
function threeGroups(): {
  readonly model: Model;
  readonly ends: readonly number[];
  readonly bytes: Buffer;
  readonly places: Places;
} {
  const { writer, places } = fresh();
  const model = modelOf(9);
  const ends: number[] = [];
  for (let group = 0; group < 3; group++) {
    writer.begin();
    for (const row of model.messages.slice(group * 3, group * 3 + 3)) writer.insertMessage(row);
    for (const row of model.reports.slice(group * 3, group * 3 + 3)) writer.insertReport(row);
    writer.commit();
    ends.push(places.reach[0] ?? 0);
  }
  writer.close();
  return { model, ends, bytes: readFileSync(path), places };
}

const first = ({ messages, reports }: Model, count: number): Model => ({
  messages: messages.slice(0, count),
  reports: reports.slice(0, count),
});

test('the last group is cut short, or anything of it flipped → those before it are all there is', () => {
  const { model, ends, bytes } = threeGroups();
  const [, last = 0] = ends;
  for (let at = last; at < bytes.byteLength; at += 5) {
    writeFileSync(path, bytes.subarray(0, at));
    opened(rows => expectAll(rows, first(model, 6)));
    writeFileSync(path, flippedAt(bytes, at));
    opened(rows => expectAll(rows, first(model, 6)));
  }
});

test('anything is flipped before the last group → told, and the rows that it did not hit can be made out', () => {
  const { model, ends, bytes } = threeGroups();
  const [, last = 0] = ends;
  const textOf = (row: MessageRow | ReportRow) =>
    JSON.stringify('ordinal' in row ? messageCells(row) : reportCells(row));
  const all = new Set([...model.messages, ...model.reports].map(textOf));
  for (let at = 0; at < last; at += 5) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 16, at);
    writeFileSync(path, flipped);
    expect(() => new JournalRows(path), `byte ${at}`).toThrow(expect.toSatisfy(isDamage));
    const found = madeOut();
    expect(found.length, `byte ${at}`).toBeGreaterThanOrEqual(all.size - 1);
    expect(found.filter(row => !all.has(textOf(row)))).toEqual([]);
  }
});

test('anything of what memory or the footer tells of is flipped → the journal is not finished, and none of it is cut off', () => {
  const { ends, bytes, places } = threeGroups();
  const [, last = 0, end = 0] = ends;
  const expectLeftAlone = (flipped: Buffer, what: string) => {
    writeFileSync(path, flipped);
    expect(() => finishJournal(systemDisk, path, endOf(places)), what).toThrow(expect.toSatisfy(isDamage));
    expect(readFileSync(path).equals(flipped), what).toBe(true);
  };
  for (let at = last; at < end; at += 13) expectLeftAlone(flippedAt(bytes, at), `without a footer, byte ${at}`);
  writeFileSync(path, bytes);
  finishJournal(systemDisk, path, endOf(places));
  const finished = readFileSync(path);
  const none = { end: 0, messages: 9, reports: 9 };
  for (let at = last; at < end; at += 13) {
    const flipped = flippedAt(finished, at);
    expectLeftAlone(flipped, `with a footer, byte ${at}`);
    expect(() => finishJournal(systemDisk, path, none)).toThrow(expect.toSatisfy(isDamage));
    expect(readFileSync(path).equals(flipped)).toBe(true);
  }
});

test('a footer is half written, or anything of it is another → the rows are found without it', () => {
  const { model, ends, bytes, places } = threeGroups();
  const [, , end = 0] = ends;
  finishJournal(systemDisk, path, endOf(places));
  const finished = readFileSync(path);
  for (let at = end; at < finished.byteLength; at += 3) {
    const zeroed = Buffer.concat([bytes, Buffer.alloc(at - end), finished.subarray(at)]);
    for (const bent of [flippedAt(finished, at), ...(at > end ? [zeroed] : [])]) {
      writeFileSync(path, bent);
      opened(rows => expectAll(rows, model));
    }
  }
});

function flippedAt(bytes: Buffer, at: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(at) ^ 8, at);
  return flipped;
}

function madeOut(): readonly (MessageRow | ReportRow)[] {
  const file = systemDisk.open(path, 'read');
  const frames = soundFrames(systemDisk, file, systemDisk.size(path) ?? 0);
  const rows = frames.map(({ room, at }) =>
    headAt(room, at)?.kind === 'message' ? messageAt(room, at) : reportAt(room, at),
  );
  const found = rows.toArray();
  systemDisk.close(file);
  return found;
}

test('a content that is a journal itself → nothing of it is taken for a row', () => {
  const { bytes } = threeGroups();
  const forged = messageOf(0, meta.createdAt, bytes.toString('latin1'));
  const bent = messageOf(1, meta.createdAt, kept(bytes.toString('utf8')));
  writeJournal(systemDisk, path, meta, [{ message: forged }, { message: bent }]);
  const whole = readFileSync(path);
  whole.writeUInt8(whole.readUInt8(64) ^ 1, 64);
  writeFileSync(path, whole);
  expect(madeOut()).toEqual([forged, bent]);
});

type Failing = 'write' | 'syncData' | 'truncate';
const failures: readonly (readonly Failing[])[] = [
  ['write'],
  ['syncData'],
  ['write', 'truncate'],
  ['write', 'syncData'],
  ['syncData', 'truncate'],
];

test.each(failures)(
  'a group whose %s, then %s fails → nothing of it is there, and nothing behind it before it is cut off',
  (...failing) => {
    const { writer: before } = fresh();
    before.close();
    const failed = new Set<Failing>();
    const failingAt = (name: Failing) => {
      if (failed.has(name)) throw Object.assign(new Error(`EIO: ${name}`), { code: 'EIO', syscall: name });
    };
    const disk: Disk = {
      ...systemDisk,
      write(file, from, position) {
        systemDisk.write(file, failed.has('write') ? from.subarray(0, from.byteLength - 1) : from, position);
        failingAt('write');
      },
      syncData: file => (failed.has('syncData') ? failingAt('syncData') : systemDisk.syncData(file)),
      truncate: (file, bytes) => (failed.has('truncate') ? failingAt('truncate') : systemDisk.truncate(file, bytes)),
    };
    const places = newPlaces();
    const writer = new JournalWriter(path, disk, 'full', places);
    const model = modelOf(6);
    const record = (from: number, to: number) => {
      writer.begin();
      for (const row of model.messages.slice(from, to)) writer.insertMessage(row);
      writer.commit();
    };
    record(0, 3);
    for (const name of failing) failed.add(name);
    expect(() => record(3, 6)).toThrow('EIO');
    writer.rollback();
    expect(writer.isSpent).toBe(failing.includes('syncData'));
    const there = { messages: model.messages.slice(0, 3), reports: [] };
    expectAll(writer, there);
    if (failing.length > 1) expect(() => writer.begin()).toThrow('EIO');
    failed.clear();
    writer.begin();
    expect(readFileSync(path).byteLength).toBe(places.reach[0]);
    record(3, 5);
    writer.close();
    opened(rows => expectAll(rows, { messages: model.messages.slice(0, 5), reports: [] }));
  },
);

test('a group that could be neither synced nor cut off is found by the next process → durable once it is taken', () => {
  const copy = join(place, 'copy');
  for (let seed = 1; seed <= 12; seed++) {
    const { writer: before } = fresh();
    before.close();
    const faults: Fault[] = [];
    const disk = new SimulatedDisk(randomOf(seed), faults);
    const writer = new JournalWriter(path, disk, 'full', newPlaces());
    const { messages } = modelOf(3);
    writer.begin();
    for (const row of messages) writer.insertMessage(row);
    faults.push({ kind: 'EIO', from: disk.calls + 1, to: disk.calls + 3 });
    expect(() => writer.commit()).toThrow('EIO');
    writer.rollback();
    writer.close();
    const found = new JournalRows(path, disk);
    const places = newPlaces();
    found.copyPlaces(places);
    found.close();
    syncJournal(disk, path, places);
    disk.crashed(folder, copy);
    const left = new JournalRows(join(copy, 'journal'));
    expect(left.messagesFrom(0, 9), `seed ${seed}`).toEqual(messages);
    left.close();
    rmSync(copy, { recursive: true });
  }
});

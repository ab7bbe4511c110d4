import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactFields } from '../../../src/domain/filter-fields.ts';
import { DamagedBlock, OtherBlockVersion } from '../../../src/store/block/damage.ts';
import { makeDictionary } from '../../../src/store/block/dictionary.ts';
import { hashedFields } from '../../../src/store/block/hash.ts';
import { frameRows } from '../../../src/store/block/layout.ts';
import { BlockMaker, type BlockRow } from '../../../src/store/block/make-block.ts';
import { Block, unpacked } from '../../../src/store/block/read-block.ts';
import { fields } from '../../../src/store/embedded/segment/fields.ts';

const anyRow: fc.Arbitrary<BlockRow> = fc.record({
  account: fc.integer({ min: 0, max: 300 }),
  sentAt: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.maxSafeInteger()),
  body: fc.uint8Array({ maxLength: 300 }),
});
/** More than a dictionary takes, too. */
const anySamples = fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 30, size: 'max' });
const anyRows = fc.array(anyRow, { minLength: 1, maxLength: 200, size: 'max' });

function made(rows: readonly BlockRow[], samples: readonly Uint8Array[] = []): Uint8Array {
  const maker = new BlockMaker(rows.length, makeDictionary(samples));
  for (const row of rows) maker.add(row);
  return maker.bytes();
}

function opened(bytes: Uint8Array): Block {
  return new Block((offset, count) => Uint8Array.from(bytes.subarray(offset, offset + count)), bytes.byteLength);
}

/** Those of rows in ascending order. */
function bodiesAt(block: Block, rows: readonly number[]): readonly Uint8Array[] {
  const asked = [...new Set(rows.map(row => Math.floor(row / frameRows)))];
  const frames = unpacked(block.packed(asked));
  return rows.flatMap(row => frames[asked.indexOf(Math.floor(row / frameRows))]?.body(row % frameRows) ?? []);
}

/** What is read of a block, part by part: `damaged` where the part is not given. */
function readings(block: Block): ReadonlyMap<string, unknown> {
  const attempts: [string, () => unknown][] = [
    ['times', () => block.times()],
    ['accounts', () => block.accounts()],
    ...Array.from({ length: block.frames }, (_, frame): [string, () => unknown] => [
      `frame ${frame}`,
      () => block.bodies(frame).map(body => Buffer.from(body).toString('hex')),
    ]),
  ];
  return new Map(attempts.map(([name, read]) => [name, attempt(read)]));
}

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DamagedBlock)) throw error;
    return 'damaged';
  }
}

describe('a block', () => {
  test('any bodies, any texts → the rows that have one of the texts', () => {
    const anyText = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 }).map(Buffer.from);
    const anyBody = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 12 }).map(body => Uint8Array.from(body));
    const rows = fc.array(fc.record({ account: fc.constant(1), sentAt: fc.constant(1), body: anyBody }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(rows, fc.array(anyText, { maxLength: 3 }), (some, texts) => {
        const [frame] = unpacked(opened(made(some)).packed([0]));
        const has = ({ body }: BlockRow) => texts.some(text => Buffer.from(body).includes(text));
        const expected = some.slice(0, frameRows).flatMap((row, i) => (has(row) ? [i] : []));
        expect([...(frame?.rowsWith(texts) ?? [])].toSorted((a, b) => a - b)).toEqual(expected);
      }),
    );
  });

  test('any rows → every body, time and account comes out as it went in', () => {
    fc.assert(
      fc.property(anyRows, anySamples, fc.integer({ min: 1, max: 40 }), (rows, samples, step) => {
        const block = opened(made(rows, samples));
        expect(block.rows).toBe(rows.length);
        expect(Array.from(block.times())).toEqual(rows.map(row => row.sentAt));
        expect(Array.from(block.accounts())).toEqual(rows.map(row => row.account));
        for (let frame = 0; frame * frameRows < rows.length; frame++) {
          const bodies = rows.slice(frame * frameRows, (frame + 1) * frameRows).map(({ body }) => Buffer.from(body));
          expect(block.bodies(frame).map(body => Buffer.from(body))).toEqual(bodies);
        }
        const some = Array.from({ length: Math.ceil(rows.length / step) }, (_, i) => i * step);
        expect(bodiesAt(block, some).map(body => Buffer.from(body))).toEqual(
          some.map(at => Buffer.from(rows[at]?.body ?? [])),
        );
        expect([...block.flaws()].filter(flaw => flaw !== undefined)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test.each([300, 65_536])('%d rows, each of an account of its own → whose each is comes out', count => {
    const rows = Array.from({ length: count }, (_, i) => ({ account: 3 * i, sentAt: i, body: new Uint8Array(0) }));
    expect(opened(made(rows)).accounts()).toEqual(Float64Array.from(rows, ({ account }) => account));
  });

  test('a flipped byte anywhere → at most the part or the frame it is in is not given, and that is told', () => {
    const rows = Array.from({ length: 150 }, (_, i) => row(i));
    const samples = [row(7).body, row(8).body];
    const bytes = made(rows, samples);
    const whole = readings(opened(bytes));
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ flip;
        const block = opened(flipped);
        expect([...block.flaws()].filter(flaw => flaw !== undefined)).toHaveLength(1);
        const read = readings(block);
        const differing = [...read].filter(
          ([name, value]) => JSON.stringify(value) !== JSON.stringify(whole.get(name)),
        );
        expect(differing.length).toBeLessThanOrEqual(1);
        for (const [, value] of differing) expect(value).toBe('damaged');
      }),
      { numRuns: 150 },
    );
  });

  test('cut anywhere → what is given is what was written, and the cut is told', () => {
    const bytes = made(
      Array.from({ length: 150 }, (_, i) => row(i)),
      [row(7).body],
    );
    const whole = readings(opened(bytes));
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), length => {
        const cut = bytes.subarray(0, length);
        const block = attempt(() => opened(cut));
        if (!(block instanceof Block)) {
          expect(block).toBe('damaged');
          return;
        }
        expect([...block.flaws()].filter(flaw => flaw !== undefined).length).toBeGreaterThan(0);
        for (const [name, value] of readings(block))
          if (value !== 'damaged') expect(value, name).toEqual(whole.get(name));
      }),
      { numRuns: 100 },
    );
  });

  test('of another version → said so, not taken for damage', () => {
    const bytes = made([row(1)]);
    expect(() => opened(withVersion(bytes, 4))).toThrow(OtherBlockVersion);
  });

  test('every field of filters → is hashed by a place of its own; those of the embedded engine come first', () => {
    expect([...hashedFields].sort()).toEqual(exactFields.map(({ name }) => name).sort());
    expect(hashedFields.slice(0, fields.length)).toEqual(fields);
  });
});

function row(i: number): BlockRow {
  return {
    account: 1 + (i % 3),
    sentAt: 1_700_000_000_000 + i * 37,
    body: Buffer.from(`body of ${i} `.repeat(i % 9)),
  };
}

/** A sound block that another version wrote. */
function withVersion(bytes: Uint8Array, version: number): Uint8Array {
  const whole = Buffer.from(bytes);
  const end = 16 + whole.readUInt32LE(8);
  whole.writeUInt32LE(version, 4);
  whole.writeUInt32LE(crc32(whole.subarray(16, end), crc32(whole.subarray(0, 12))), 12);
  const opening = whole.subarray(0, end);
  return Buffer.concat([whole.subarray(0, -end), opening.subarray(16), opening.subarray(0, 16)]);
}

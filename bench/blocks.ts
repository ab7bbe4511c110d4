/**
 * What a block costs, beside the same messages in one plain SQLite table: `node bench/blocks.ts [messages]`. In files
 * that the system has in its memory, on one thread; medians.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LogRecord } from '../src/domain/message.ts';
import { noError, pendingAccepted } from '../src/domain/registry.ts';
import { makeDictionary } from '../src/store/block/dictionary.ts';
import { blockRowsMax, frameRows } from '../src/store/block/layout.ts';
import { BlockMaker } from '../src/store/block/make-block.ts';
import { Block, unpacked } from '../src/store/block/read-block.ts';
import { parseRecordText } from '../src/wire/record/log-record.ts';
import { logJson } from '../src/wire/text/log-text.ts';
import { messageColumns, messageValues, schema } from './comparators/rows.ts';
import { LogWriter, logBytesMax } from './dataset/log-writer.ts';
import type { LogShape } from './dataset/shape.ts';

const seed = 1;
const account = 1;
const messages = Number(process.argv[2] ?? 4 * blockRowsMax);
const folder = mkdtempSync(join(tmpdir(), 'sentlog-blocks-'));
const spanMs = 48 * 3_600_000;
const shape: LogShape = { seed, firstId: 1, messages, firstSentAt: Date.now() - spanMs, spanMs, spread: 'arrival' };

function* logs(): Generator<LogRecord> {
  const [writer, room] = [new LogWriter(shape), Buffer.alloc(logBytesMax)];
  for (let index = 0; index < messages; index++) {
    const { submission } = parseRecordText(writer.ndjson(room, index, index + 1).toString());
    if (submission === undefined) throw new Error('the log has a message that is none');
    const { sender = '', destination = '', contentJson = '', sentAt = 0, at = sentAt } = submission;
    const recorded = { status: pendingAccepted, error: noError, messageCount: 1, ...submission };
    yield { ...recorded, sender, destination, contentJson, sentAt, at };
  }
}

function medianUs(runs: number, work: (run: number) => void): string {
  const times = Array.from({ length: runs }, (_, run) => {
    const began = performance.now();
    work(run);
    return performance.now() - began;
  }).sort((a, b) => a - b);
  return `${((times[runs >> 1] ?? 0) * 1000).toFixed(1)} µs`;
}

function plainTable(): { readonly bytes: number; readonly database: DatabaseSync } {
  const path = join(folder, 'plain.sqlite');
  const database = new DatabaseSync(path);
  for (const statement of schema('INTEGER PRIMARY KEY')) database.exec(statement);
  const columns = Object.keys(messageColumns);
  const insert = database.prepare(
    `INSERT INTO message (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  database.exec('BEGIN');
  for (const log of logs()) insert.run(...messageValues(account, log, log, log.sentAt));
  database.exec('COMMIT');
  return { bytes: statSync(path).size, database };
}

function blocks(): { readonly blocks: readonly Block[]; readonly bytes: number; readonly makingUs: number } {
  const path = join(folder, 'blocks');
  const file = openSync(path, 'w+');
  process.on('exit', () => closeSync(file));
  const made: Block[] = [];
  let [offset, spentMs] = [0, 0];
  // Some from all over them, and frames between, as a volume has its own made.
  const every = Math.ceil(messages / 64);
  const bodies = [...logs()].map(log => Buffer.from(logJson(log)));
  const samples = bodies.filter((_, i) => i % every === 0);
  const frames = samples.map((_, i) => bodies.slice(i * every + 1, i * every + 1 + frameRows));
  const dictionary = makeDictionary(samples, frames);
  const newMaker = () => new BlockMaker(blockRowsMax, dictionary);
  const close = (maker: BlockMaker) => {
    const bytes = maker.bytes();
    writeSync(file, bytes, 0, bytes.byteLength, offset);
    const start = offset;
    const read = (from: number, count: number) => {
      const part = new Uint8Array(count);
      return part.subarray(0, readSync(file, part, 0, count, start + from));
    };
    made.push(new Block(read, bytes.byteLength));
    offset += bytes.byteLength;
    return newMaker();
  };
  let maker = newMaker();
  for (const log of logs()) {
    const body = Buffer.from(logJson(log));
    const began = performance.now();
    maker.add({ account, sentAt: log.sentAt, body });
    if (maker.rows === blockRowsMax) maker = close(maker);
    spentMs += performance.now() - began;
  }
  if (maker.rows > 0) close(maker);
  return { blocks: made, bytes: offset, makingUs: (spentMs * 1000) / messages };
}

function bodiesAt(block: Block | undefined, rows: readonly number[]): void {
  if (block === undefined) throw new RangeError('there is no such block');
  const asked = [...new Set(rows.map(row => Math.floor(row / block.frameRows)))];
  const frames = new Map(unpacked(block.packed(asked)).map((frame, i) => [asked[i], frame]));
  for (const row of rows) frames.get(Math.floor(row / block.frameRows))?.body(row % block.frameRows);
}

const spread = (run: number, end: number) => (run * 7919 + 13) % end;

try {
  const plain = plainTable();
  const made = blocks();
  const rowsOf = (first: number, last: number) => `SELECT * FROM message WHERE id BETWEEN ${first} AND ${last}`;
  const scattered = plain.database.prepare('SELECT * FROM message WHERE id IN (SELECT value FROM json_each(?))');
  console.table({
    'bytes a message': { blocks: made.bytes / messages, 'plain table': plain.bytes / messages },
    'making one, µs': { blocks: made.makingUs },
    '64 neighbours': {
      blocks: medianUs(300, run =>
        bodiesAt(
          made.blocks[0],
          Array.from({ length: 64 }, (_, i) => run * 64 + i),
        ),
      ),
      'plain table': medianUs(300, run => plain.database.prepare(rowsOf(run * 64 + 1, run * 64 + 64)).all()),
    },
    '1,000 neighbours': {
      blocks: medianUs(50, run =>
        bodiesAt(
          made.blocks[0],
          Array.from({ length: 1000 }, (_, i) => run * 1000 + i),
        ),
      ),
      'plain table': medianUs(50, run => plain.database.prepare(rowsOf(run * 1000 + 1, run * 1000 + 1000)).all()),
    },
    '50 scattered': {
      blocks: medianUs(50, run => {
        const rows = Array.from({ length: 50 }, (_, i) => spread(run * 50 + i, messages)).sort((a, b) => a - b);
        for (const [block, held] of Map.groupBy(rows, row => Math.floor(row / blockRowsMax)))
          bodiesAt(
            made.blocks[block],
            held.map(row => row % blockRowsMax),
          );
      }),
      'plain table': medianUs(50, run =>
        scattered.all(JSON.stringify(Array.from({ length: 50 }, (_, i) => 1 + spread(run * 50 + i, messages)))),
      ),
    },
  });
  plain.database.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { ReadingPace } from '../../src/postgres/reading-pace.ts';

afterEach(() => vi.restoreAllMocks());

const pieceBytes = 64 * 1024;

/** Has so many pieces at hand at once, as a connection has whose server is faster than we are. */
function streamOf(pieces: number, bytes = pieceBytes): Readable {
  let left = pieces;
  return new Readable({
    read() {
      this.push(left-- > 0 ? Buffer.alloc(bytes) : null);
    },
  });
}

/** What was counted between two turns of the thread while something goes on; the most of all. */
async function mostInATurn(counted: () => number, work: Promise<unknown>): Promise<number> {
  let [most, before, isOver] = [0, counted(), false];
  const over = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await setImmediate();
    most = Math.max(most, counted() - before);
    before = counted();
  }
  await over;
  return most;
}

test.each([1, 5])(
  '%s connections bring more than anybody can parse at once → all of it, so much in a turn',
  async streams => {
    const pace = new ReadingPace(4 * pieceBytes);
    let read = 0;
    const reading = Array.from({ length: streams }, () => {
      const stream = streamOf(200);
      pace.slow(stream);
      stream.on('data', (piece: Buffer) => {
        read += piece.byteLength;
      });
      return new Promise(resolve => stream.once('end', resolve));
    });
    // What a stream has at hand when it is told to wait comes all the same.
    expect(await mostInATurn(() => read, Promise.all(reading))).toBeLessThanOrEqual((4 + streams) * pieceBytes);
    expect(read).toBe(streams * 200 * pieceBytes);
  },
);

test('short answers → nobody waits', async () => {
  const pace = new ReadingPace(4 * pieceBytes);
  const stream = streamOf(1000, 100);
  pace.slow(stream);
  const pause = vi.spyOn(stream, 'pause');
  await new Promise(resolve => stream.once('end', resolve).resume());
  expect(pause).not.toHaveBeenCalled();
});

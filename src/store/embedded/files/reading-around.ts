import { isUnread } from '../../../failures.ts';
import type { Disk } from './disk.ts';

/** Of a file the disk gives so much, or nothing of it. */
const pieceBytes = 4096;
/** A failing disk may take seconds for each. */
const piecesMax = 256;

/**
 * As a disk, for whoever makes out what is left of damaged files: what it does not give of one, for a bad sector say, is
 * read as zeros, which are no row and fit no checksum of ours. Of reads that say where they begin; a file may seem to have
 * less than a piece more than it has. Once many pieces were not given, whole reads are not tried piece by piece any more.
 */
export function readingAround(disk: Disk): Disk {
  let notGiven = 0;
  const ifGiven = (read: () => number): number | undefined => {
    try {
      return read();
    } catch (error) {
      if (!isUnread(error)) throw error;
      notGiven++;
      return undefined;
    }
  };
  return {
    ...disk,
    read(file, into, position) {
      if (position === null) return disk.read(file, into, position);
      const whole = ifGiven(() => disk.read(file, into, position));
      if (whole !== undefined) return whole;
      for (let at = 0; at < into.byteLength; ) {
        const bytes = Math.min(pieceBytes - ((position + at) % pieceBytes), into.byteLength - at);
        const piece = into.subarray(at, at + bytes);
        const read = notGiven < piecesMax ? ifGiven(() => disk.read(file, piece, position + at)) : undefined;
        if (read === 0) return at;
        if (read === undefined) piece.fill(0);
        at += read ?? bytes;
      }
      return into.byteLength;
    },
  };
}

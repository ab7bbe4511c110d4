import type { IncomingMessage } from 'node:http';
import { type Readable, Writable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { ClientGone, invalid } from '../errors.ts';

const chunkBytes = 64 * 1024;

/** What a request's gzip holds. `ended` resolves to true when all of the body was looked at, also what follows the gzip. */
export type Unzipped = { readonly source: Readable; readonly ended: Promise<true>; readonly release: () => void };

/**
 * Unpacks a body as it comes. Once zlib has seen zeros behind the end of the gzip, it passes over all that follows, a
 * further gzip of records among it: so only zeros may, with which some programs fill up blocks.
 */
export function unzipped(request: IncomingMessage): Unzipped {
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  const feeder = new Feeder(gunzip);
  const { promise: ended, resolve, reject } = Promise.withResolvers<true>();
  // Whoever gives a body up does not ask how it would have ended.
  ended.catch(() => {});
  feeder.once('finish', () => resolve(true)).once('error', reject);
  const broken = (error?: Error) => {
    if (request.complete) return;
    const gone = new ClientGone(error);
    gunzip.destroy(gone);
    feeder.destroy(gone);
  };
  request.once('error', broken).once('close', broken);
  request.pipe(feeder);
  const release = () => {
    request.off('error', broken).off('close', broken).unpipe(feeder);
    feeder.destroy();
    gunzip.destroy();
    // A body that was given up is still read to its end, or its sender would never look at the answer.
    request.resume();
  };
  return { source: gunzip, ended, release };
}

/** Gives pieces to zlib one by one, and those behind the gzip's end to nobody. */
class Feeder extends Writable {
  readonly #gunzip: Gunzip;
  #givenBytes = 0;
  #isBehind = false;

  constructor(gunzip: Gunzip) {
    super();
    this.#gunzip = gunzip;
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#isBehind) return done(flawBehind(piece));
    this.#gunzip.write(piece, error => {
      this.#givenBytes += piece.length;
      const leftBytes = this.#givenBytes - this.#gunzip.bytesWritten;
      if (error || leftBytes === 0) return done(error);
      this.#isBehind = true;
      done(flawBehind(piece.subarray(piece.length - leftBytes)));
    });
  }

  override _final(done: () => void): void {
    this.#gunzip.end();
    done();
  }
}

function flawBehind(piece: Buffer): Error | undefined {
  return piece.every(byte => byte === 0) ? undefined : invalid('body', 'is not sound gzip: something follows its end');
}

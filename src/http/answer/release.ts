/**
 * Gives the memory of bytes back that nobody needs any more. Left to the collector, the pages of logs pile up outside a
 * small heap, and every few of them have it collect everything: ten milliseconds in which nobody is answered.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  // What lies in a pool is not theirs alone.
  if (byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

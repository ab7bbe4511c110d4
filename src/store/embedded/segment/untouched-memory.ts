/**
 * Memory that threads share, and that takes none where nothing is written: the C library fills with zeros what it has at hand
 * of that size, however little of it is ever used. Only memory that could grow is asked of the system itself.
 */
export function untouchedMemory(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes, { maxByteLength: bytes });
}

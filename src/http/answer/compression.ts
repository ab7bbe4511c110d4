import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { eventStreamType } from '../route.ts';

const compress = promisify(gzip);

/** Smaller answers fit into a packet or two as they are. */
const bytesMin = 1400;

/** Of a page this level takes a quarter of the time of the default one, for a quarter more bytes. */
const options = { level: 2 };

/** Compresses an answer when the client asks for it, whole ones off this thread and streams as they flow. */
export async function compressed(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  // Events would wait in the compressor for more of them.
  if (reply.getHeader('content-type') === eventStreamType) return payload;
  const stream = payload instanceof Readable;
  const whole = typeof payload === 'string' || Buffer.isBuffer(payload);
  if (reply.hasHeader('content-encoding') || (!stream && !(whole && payload.length >= bytesMin))) return payload;
  addVary(reply, 'Accept-Encoding');
  // A HEAD tells the length of what would come uncompressed; making it only to measure it would be waste.
  if (request.method === 'HEAD' || !accepts(request.headers['accept-encoding'], 'gzip')) return payload;
  reply.header('content-encoding', 'gzip').removeHeader('content-length');
  if (!stream) return compress(payload, options);
  const gzipped = createGzip(options);
  // The error reaches whoever reads the compressed stream.
  return pipeline(payload, gzipped, () => {});
}

export function addVary(reply: FastifyReply, header: string): void {
  const before = reply.getHeader('vary');
  if (before === undefined) reply.header('vary', header);
  else if (!String(before).split(', ').includes(header)) reply.header('vary', `${before}, ${header}`);
}

/** Whether the caller can read the encoding, by its `Accept-Encoding`. */
export function accepts(acceptEncoding: string | string[] | undefined, encoding: 'br' | 'gzip'): boolean {
  const weights = new Map<string, number>();
  for (const part of String(acceptEncoding ?? '').split(',')) {
    const [coding = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase());
    const weight = parameters.find(parameter => parameter.startsWith('q='));
    weights.set(coding, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  return (weights.get(encoding) ?? weights.get(`x-${encoding}`) ?? weights.get('*') ?? 0) > 0;
}

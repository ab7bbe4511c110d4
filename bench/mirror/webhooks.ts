import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import { seenJson } from '../../simulator/webhooks.ts';
import { type Latencies, latencies } from '../statistics.ts';
import type { MadeLog } from './made-log.ts';
import type { Mirrored } from './plan.ts';

/** What was sent before is kept. */
const keptWithinMs = 60_000;

/** What the other side tells by itself, a message each: that one of the last minutes, which is kept, was seen. */
export function webhookBodies(log: MadeLog, { now }: Pick<Mirrored, 'now'>, count: number): readonly string[] {
  const newest = log.sentBy(now - keptWithinMs) - 1;
  return Array.from({ length: count }, (_, place) => {
    const { messageId, sentAt, fields } = log.made(newest - place);
    return seenJson([{ messageId, from: fields.destination, to: fields.sender, sentAt, seenAt: now }]);
  });
}

/** Connections that the other side keeps: where all are busy, what is next waits, and its time with it. */
const connections = 32;

/** Posts a body; resolves once it is answered, with what it was to be answered with. */
type Post = (body: string) => Promise<void>;

async function posting<T>(url: URL, work: (post: Post) => Promise<T>): Promise<T> {
  const pool = new Pool(url.origin, { connections });
  const headers = { 'content-type': 'application/json' };
  try {
    return await work(async body => {
      const { statusCode, body: answer } = await pool.request({ method: 'POST', path: url.pathname, headers, body });
      await answer.dump();
      if (statusCode !== 200) throw new Error(`a webhook was answered with ${statusCode}`);
    });
  } finally {
    await pool.close();
  }
}

/** Posts so many a second; how long each took from its time on to be answered, which it is once it is durable. */
export async function postWebhooks(url: URL, bodies: readonly string[], perS: number): Promise<Latencies> {
  const begunAt = performance.now();
  return posting(url, async post => {
    const posted: Promise<number>[] = [];
    for (const [place, body] of bodies.entries()) {
      const dueAt = begunAt + (place * 1000) / perS;
      await setTimeout(Math.max(0, dueAt - performance.now()));
      posted.push(post(body).then(() => performance.now() - dueAt));
    }
    return latencies(await Promise.all(posted));
  });
}

/** Posts all of them as fast as they are answered; how many a second. */
export async function floodWebhooks(url: URL, bodies: readonly string[]): Promise<number> {
  const begunAt = performance.now();
  return posting(url, async post => {
    const left = bodies.values();
    const postAll = async () => {
      for (const body of left) await post(body);
    };
    await Promise.all(Array.from({ length: connections }, postAll));
    return (bodies.length * 1000) / (performance.now() - begunAt);
  });
}

import { setTimeout } from 'node:timers/promises';
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

/** Posts so many a second; how long each took to be answered, which it is once it is durable. */
export async function postWebhooks(url: string, bodies: readonly string[], perS: number): Promise<Latencies> {
  const begunAt = performance.now();
  const post = async (body: string) => {
    const postedAt = performance.now();
    const { status } = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (status !== 200) throw new Error(`a webhook was answered with ${status}`);
    return performance.now() - postedAt;
  };
  const posted: Promise<number>[] = [];
  for (const [place, body] of bodies.entries()) {
    await setTimeout(Math.max(0, begunAt + (place * 1000) / perS - performance.now()));
    posted.push(post(body));
  }
  return latencies(await Promise.all(posted));
}

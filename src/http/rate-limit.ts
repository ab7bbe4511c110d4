import { isIPv6 } from 'node:net';
import type { FastifyReply } from 'fastify';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { ApiError, wholeSeconds } from './errors.ts';

const windowS = 60;

/** What is left of a budget in its present minute. */
export type Allowance = {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly exceeded: boolean;
};

/** Counts requests a minute for each of its keys; the minute of a key begins with its first request. */
export class Budget {
  /** It only counts: the limits differ from key to key, so they are compared here. */
  readonly #counter: RateLimiterMemory;

  constructor(name: string) {
    this.#counter = new RateLimiterMemory({ keyPrefix: name, points: Number.MAX_SAFE_INTEGER, duration: windowS });
  }

  async spend(key: string, limit: number): Promise<Allowance> {
    return allowance(await this.#counter.penalty(key), limit);
  }

  /** As `spend`, with nothing spent: `exceeded` when a further request would be refused. */
  async look(key: string, limit: number): Promise<Allowance> {
    const counted = await this.#counter.get(key);
    if (counted === null) return { limit, remaining: limit, resetMs: windowS * 1000, exceeded: limit <= 0 };
    return { ...allowance(counted, limit), exceeded: counted.consumedPoints >= limit };
  }
}

function allowance({ consumedPoints, msBeforeNext }: RateLimiterRes, limit: number): Allowance {
  return {
    limit,
    remaining: Math.max(0, limit - consumedPoints),
    // A wall clock that was set back would have the minute end in hours; its counter is dropped in time all the same.
    resetMs: Math.min(msBeforeNext, windowS * 1000),
    exceeded: consumedPoints > limit,
  };
}

export function tellAllowance(reply: FastifyReply, { limit, remaining, resetMs }: Allowance): void {
  reply.header('ratelimit-limit', String(limit));
  reply.header('ratelimit-remaining', String(remaining));
  reply.header('ratelimit-reset', String(Math.max(0, Math.ceil(resetMs / 1000))));
}

export function tooManyRequests({ resetMs }: Allowance): ApiError {
  return new ApiError('E429', { headers: { 'retry-after': wholeSeconds(resetMs) } });
}

/** What one client has of an address: all of IPv4's, but the network of IPv6's, whose hosts choose the rest freely. */
export function clientNetwork(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  return [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail?.split(':') ?? [])].slice(0, 4).join(':');
}

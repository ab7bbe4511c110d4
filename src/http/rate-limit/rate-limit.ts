import { isIPv6 } from 'node:net';
import type { FastifyReply } from 'fastify';
import { ApiError, wholeSeconds } from '../errors.ts';
import { type Counted, type RequestCounter, windowMs } from './request-counter.ts';

/** What is left of a budget in its present minute. */
export type Allowance = {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly exceeded: boolean;
};

/** One of the budgets that each key has: so many requests a minute, as `counter` counts them. */
export class Budget {
  readonly #name: string;
  readonly #counter: RequestCounter;

  constructor(name: string, counter: RequestCounter) {
    this.#name = name;
    this.#counter = counter;
  }

  async spend(key: string, limit: number): Promise<Allowance> {
    return allowance(await this.#counter.add(`${this.#name}:${key}`, limit), limit);
  }

  /** As `spend`, with nothing spent: `exceeded` when a further request would be refused. */
  async look(key: string, limit: number): Promise<Allowance> {
    const counted = await this.#counter.look(`${this.#name}:${key}`);
    if (counted === undefined) return { limit, remaining: limit, resetMs: windowMs, exceeded: limit <= 0 };
    return { ...allowance(counted, limit), exceeded: counted.requests >= limit };
  }
}

function allowance({ requests, resetMs }: Counted, limit: number): Allowance {
  return { limit, remaining: Math.max(0, limit - requests), resetMs, exceeded: requests > limit };
}

export function tellAllowance(reply: FastifyReply, { limit, remaining, resetMs }: Allowance): void {
  reply.header('ratelimit-limit', String(limit));
  reply.header('ratelimit-remaining', String(remaining));
  reply.header('ratelimit-reset', String(Math.max(0, Math.ceil(resetMs / 1000))));
}

export function tooManyRequests({ resetMs }: Allowance): ApiError {
  return new ApiError('E429', { headers: { 'retry-after': wholeSeconds(resetMs) } });
}

/** A proxy may hand on anything as an address. */
const addressCharsMax = 64;

/**
 * What one client has of an address: all of IPv4's, but the network of IPv6's, whose hosts choose the rest freely. A
 * connection that is gone has no address any more, whatever the types of the framework say: all of those are one client.
 */
export function clientNetwork(address: string | undefined): string {
  if (address === undefined) return '';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address.slice(0, addressCharsMax);
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  return [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail?.split(':') ?? [])].slice(0, 4).join(':');
}

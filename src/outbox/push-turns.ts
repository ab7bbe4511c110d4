import type { AccountId } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { PushPlace } from './reporting.ts';

/** How many of the reports of an account that are due longest are looked at for places to push to. */
export const pushWindow = limits.pushReportsMax;

/** What is not to be looked at: places that are called now, and the beginnings of addresses whose origin is at its bound. */
export type Excluded = { readonly urls: readonly string[]; readonly prefixes: readonly string[] };

/**
 * Who is pushed to next. Accounts take turns, those with the fewest calls under way first, so that receivers of one that
 * do not answer hold up nobody else; and neither an account nor one origin of it has more calls than its bound.
 */
export class PushTurns {
  #last: AccountId = -1;

  /** Of the accounts that have something due, in ascending order, all whose turn it can be now. */
  order(due: readonly AccountId[], busy: readonly PushPlace[]): readonly AccountId[] {
    const calls = callsOf(busy);
    const since = Math.max(
      0,
      due.findIndex(account => account > this.#last),
    );
    return [...due.slice(since), ...due.slice(0, since)]
      .filter(account => countOf(calls, account) < limits.pushesOfAccountMax)
      .sort((a, b) => countOf(calls, a) - countOf(calls, b))
      .slice(0, limits.pushesMax);
  }

  excluded(account: AccountId, busy: readonly PushPlace[]): Excluded {
    const urls = busy.filter(one => one.account === account).map(one => one.url);
    const full = new Set<string>();
    for (const [origin, own] of Map.groupBy(urls, originOf))
      if (origin !== '' && own.length >= limits.pushesOfOriginMax) for (const url of own) full.add(prefixOf(url));
    return { urls, prefixes: [...full] };
  }

  /** So many of what is due, where accounts come in their order, and places of each in theirs. */
  deal(due: readonly PushPlace[], busy: readonly PushPlace[], places: number): readonly PushPlace[] {
    const calls = callsOf(busy);
    const ofOrigin = new Map<string, number>();
    for (const place of busy) add(ofOrigin, originKey(place));
    const waiting = [...Map.groupBy(due, one => one.account)].map(([account, own]) => ({ account, own: [...own] }));
    const dealt = new Map<string, PushPlace>();
    const isTaken = new Set(busy.map(keyOf));
    while (dealt.size < places && waiting.length > 0) {
      const [next] = waiting.sort((a, b) => countOf(calls, a.account) - countOf(calls, b.account));
      const isFull = next === undefined || countOf(calls, next.account) >= limits.pushesOfAccountMax;
      const place = isFull ? undefined : next.own.shift();
      if (place === undefined) {
        waiting.shift();
        continue;
      }
      if (isTaken.has(keyOf(place))) continue;
      const origin = originKey(place);
      if (place.url !== '' && countOf(ofOrigin, origin) >= limits.pushesOfOriginMax) continue;
      isTaken.add(keyOf(place));
      dealt.set(keyOf(place), place);
      add(calls, place.account);
      add(ofOrigin, origin);
      this.#last = place.account;
    }
    return [...dealt.values()];
  }
}

const keyOf = ({ account, url }: PushPlace) => JSON.stringify([account, url]);
const originKey = ({ account, url }: PushPlace) => JSON.stringify([account, originOf(url)]);

/** An address that an account has set has no origin here: it is one place, and so called once at a time. */
function originOf(url: string): string {
  return URL.parse(url)?.origin ?? '';
}

/** An address up to its path. */
function prefixOf(url: string): string {
  return /^[^/]*\/\/[^/]*\//.exec(url)?.[0] ?? url;
}

function callsOf(busy: readonly PushPlace[]): Map<AccountId, number> {
  const calls = new Map<AccountId, number>();
  for (const { account } of busy) add(calls, account);
  return calls;
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, countOf(counts, key) + 1);
}

function countOf<K>(counts: ReadonlyMap<K, number>, key: K): number {
  return counts.get(key) ?? 0;
}

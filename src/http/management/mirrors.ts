import { randomInt } from 'node:crypto';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { CheckState } from '../../mirror/check/checks.ts';
import { behindOf, type MirrorFigures } from '../../mirror/figures.ts';
import { type Check, type Mirror, MirrorError } from '../../mirror/rows.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import { newMirrorSchema, resumedMirrorSchema, type ShownMirror } from '../document/management-schemas.ts';
import { ApiError, invalid } from '../errors.ts';
import type { ManagedMirrors } from '../parts.ts';
import type { Route } from '../route.ts';
import { type LogsDeps, ownLog } from '../routes/logs.ts';
import { type ManagingDeps, managed } from './managing.ts';

const hourMs = 3_600_000;
const path = '/manage/1/mirrors';

/** `/manage/1/mirrors…`: what fills an account from another log. Keys to other logs go in and never come out. */
export function mirrorRoutes(managedMirrors: ManagedMirrors, deps: ManagingDeps & LogsDeps): readonly Route[] {
  const { mirrors, figures, hosts, checks } = managedMirrors;
  const those = async (account: AccountId) => (await mirrors.list()).filter(one => one.account === account);
  const own = async (account: AccountId, name: string) => {
    const found = (await those(account)).find(one => one.name === name);
    if (found === undefined) throw new ApiError('E404');
    return found;
  };
  const shownOf = async (mirror: Mirror) => shown(await figures(mirror), checks.state(mirror.id));
  const told = async (account: AccountId, name: string) => shownOf(await own(account, name));
  return [
    managed('GET', path, deps, async ({ account }) => ({
      mirrors: await Promise.all((await those(account)).map(shownOf)),
    })),
    managed('POST', path, deps, async ({ account, body }) => {
      const { from, key, name, requestsPerMinute, sinceHours } = await body(newMirrorSchema);
      checkHost(from, hosts);
      if ((await those(account)).length >= limits.managedMirrorsMax)
        throw new MirrorError(
          `the account has ${limits.managedMirrorsMax} mirrors: further ones are added by the operator`,
        );
      const sinceMs = sinceHours === undefined ? undefined : sinceHours * hourMs;
      const request = { account, from, key, name: unheardName(name ?? new URL(from).hostname.split('.')[0] ?? '') };
      const made = await mirrors.add({ ...request, ...present({ requestsPerMinute, sinceMs }) });
      return told(account, made.name);
    }),
    managed('POST', `${path}/:name/pause`, deps, async ({ account, named }) => {
      const { id, name } = await own(account, named('name'));
      await mirrors.pause(name, 'paused on the page');
      checks.end(id);
      return told(account, name);
    }),
    managed('POST', `${path}/:name/resume`, deps, async ({ account, named, body }) => {
      const { name } = await own(account, named('name'));
      const { key } = await body(resumedMirrorSchema);
      await mirrors.resume(name, key);
      return told(account, name);
    }),
    managed('POST', `${path}/:name/check`, deps, async ({ account, named }) => {
      const mirror = await own(account, named('name'));
      checks.begin(mirror, ownLog(account, deps));
      return shownOf(mirror);
    }),
    managed('DELETE', `${path}/:name`, deps, async ({ account, named }) => {
      const { id, name } = await own(account, named('name'));
      await mirrors.remove(name);
      checks.end(id);
      return undefined;
    }),
  ];
}

/** Whoever may manage one account must not have the server call hosts that only it can reach. */
function checkHost(from: string, hosts: readonly string[]): void {
  const url = URL.canParse(from) ? new URL(from) : undefined;
  const isKnown = hosts.some(
    host => url?.host === host || url?.hostname === host || url?.hostname.endsWith(`.${host}`),
  );
  if (isKnown) return;
  const allowed = hosts.length === 0 ? 'none is allowed' : hosts.join(', ');
  throw invalid(
    'from',
    `is not at a host that may be mirrored from here (SENTLOG_MIRROR_HOSTS: ${allowed}); the operator can add it by \`sentlog mirrors add\``,
  );
}

/** All mirrors of a server have names of their own: one that was taken would tell of another account's mirror. */
function unheardName(name: string): string {
  return `${name}-${randomInt(36 ** 5)
    .toString(36)
    .padStart(5, '0')}`;
}

function shownCheck({ at, from, until, ...counts }: Check): ShownMirror['lastCheck'] {
  return { at: formatDateTime(at), from: formatDateTime(from), to: formatDateTime(until), ...counts };
}

function shown(told: MirrorFigures, { isRunning, progress, failure }: CheckState): ShownMirror {
  const { mirror, gaps, newestSentAt, unreadSince, answeredAt, restsUntil, ...figures } = told;
  const { skewMs: _, ...others } = figures;
  const date = (ms: number | undefined) => (ms === undefined ? undefined : formatDateTime(ms));
  return {
    name: mirror.name,
    from: mirror.from,
    createdAt: formatDateTime(mirror.createdAt),
    requestsPerMinute: mirror.requestsPerMinute,
    ...others,
    isBeingChecked: isRunning,
    ...present({
      behind: behindOf(told),
      checkProgress: progress,
      checkFailure: failure,
      newestSentAt: date(newestSentAt),
      unreadSince: date(unreadSince),
      answeredAt: date(answeredAt),
      restsUntil: date(restsUntil),
      lastCheck: mirror.lastCheck && shownCheck(mirror.lastCheck),
    }),
    gaps: gaps.map(({ from, until, reason }) => ({ from: formatDateTime(from), to: formatDateTime(until), reason })),
  };
}

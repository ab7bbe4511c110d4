import { limits } from './limits.ts';
import { BadValue, duration, hosts, integer, type Kind, optional, path, serverUrl, setting } from './setting-kinds.ts';

/** What a header can carry. */
const otherKey: Kind<string> = {
  parse: text => {
    if (!/^[\x21-\x7e]+$/.test(text)) throw new BadValue('is not a key: it has no spaces');
    return text;
  },
};

/** One mirror that a server keeps without a command, for containers; and which may be added by those who use it. */
export const mirrorSettings = Object.freeze({
  mirrorFrom: setting(
    'SENTLOG_MIRROR_FROM',
    optional(serverUrl),
    '',
    'Messenger log to mirror, such as `https://xyz.api.infobip.com`; further mirrors are added by `sentlog mirrors add`',
  ),
  mirrorKey: {
    ...setting('SENTLOG_MIRROR_KEY', optional(otherKey), '', 'API key for that log; it needs `messenger:logs:read`'),
    secret: true,
  },
  mirrorKeyFile: setting('SENTLOG_MIRROR_KEY_FILE', optional(path), '', 'File that holds this key instead'),
  mirrorName: setting('SENTLOG_MIRROR_NAME', { parse: text => text }, 'infobip', 'Name of the mirror'),
  mirrorAccount: setting('SENTLOG_MIRROR_ACCOUNT', { parse: text => text }, 'default', 'Account it keeps the log in'),
  mirrorRequestsPerMinute: setting(
    'SENTLOG_MIRROR_REQUESTS_PER_MINUTE',
    integer(1, limits.mirrorRequestsPerMinuteMax),
    '60',
    'Requests a minute it may make, at most; the other side allows 120 for all programs of its account',
  ),
  mirrorSinceMs: setting('SENTLOG_MIRROR_SINCE', duration('1m', '48h'), '48h', 'How far back it reads at first'),
  mirrorHosts: setting(
    'SENTLOG_MIRROR_HOSTS',
    hosts,
    'api.infobip.com',
    'Hosts, and what is below them, whose logs keys with `messenger:manage` may have mirrored; `sentlog mirrors add` may any',
  ),
});

type Told = {
  readonly mirrorFrom: string | undefined;
  readonly mirrorKey: string | undefined;
  readonly mirrorKeyFile: string | undefined;
  readonly secrets: readonly string[];
};

/** Why the settings name no mirror together; `undefined` when they do, or none is wanted. */
export function mirrorFault({ mirrorFrom, mirrorKey, mirrorKeyFile, secrets }: Told): string | undefined {
  const s = mirrorSettings;
  if (mirrorFrom === undefined) return undefined;
  if ((mirrorKey === undefined) === (mirrorKeyFile === undefined))
    return `${s.mirrorFrom.env} needs either ${s.mirrorKey.env} or ${s.mirrorKeyFile.env}`;
  return secrets.length === 0 ? `${s.mirrorFrom.env} needs SENTLOG_SECRET: its key is kept encrypted` : undefined;
}

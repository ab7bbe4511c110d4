import { isIP } from 'node:net';
import { listOf } from '../networks.ts';
import { MirrorError } from './rows.ts';

/** Names of this machine, of a private network or a cluster, or without a domain: what is said to them stays there. */
const nearName = /^(?:[^.]+|.+\.(?:localhost|internal|local|svc))$/;
const nearNetworks = listOf([
  ...['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
]);

function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  return family === 0 ? nearName.test(host) : nearNetworks.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Whether everybody on the way there can read the key. */
export function isInTheClear(from: string): boolean {
  const { protocol, hostname } = new URL(from);
  return protocol === 'http:' && !isNear(hostname);
}

/** The base of the other side's API, without a slash at its end; the path of its log may stand behind it. */
export function baseOf(from: string): string {
  const url = URL.canParse(from) ? new URL(from) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new MirrorError(`"${from}" is not an address like https://xyz.api.infobip.com`, { of: 'from' });
  if (url.username !== '' || url.password !== '')
    throw new MirrorError('the address of the other side holds no user or password: the key goes into a file', {
      of: 'from',
    });
  return url.href.replace(/(?:\/messenger\/1\/logs)?\/*$/, '');
}

/** Its base, where the key may go. */
export function checkedBase(from: string): string {
  const base = baseOf(from);
  if (isInTheClear(base))
    throw new MirrorError(`"${from}" would take the key there for everybody to read: it begins with https`, {
      of: 'from',
    });
  return base;
}

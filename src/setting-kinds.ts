import { isIP } from 'node:net';
import { resolve } from 'node:path';

/**
 * How the text of a setting becomes its value. `parse` throws `BadValue` on text that has none; `mask` gives what may be
 * shown of the text of a secret; `choices` are all texts that have a value, where those are few, and
 * `pattern` is a regular expression that each of them matches.
 */
export type Kind<T> = {
  readonly parse: (text: string) => T;
  readonly mask?: (text: string) => string;
  readonly choices?: readonly string[];
  readonly pattern?: RegExp;
};

/** Why a text is no value; reads on after the text, as in `"80x" is not a port`. */
export class BadValue extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'BadValue';
  }
}

export const address: Kind<string> = {
  parse: text => {
    if (isIP(text) === 0 && !/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text))
      throw new BadValue('is not an IP address or host name');
    return text;
  },
};

export const path: Kind<string> = {
  parse: text => {
    if (text.trim() === '' || text.includes('\0')) throw new BadValue('is not a path');
    return resolve(text);
  },
};

const integerPattern = /^\d{1,15}$/;

export function integer(min: number, max: number): Kind<number> {
  return {
    pattern: integerPattern,
    parse: text => {
      const value = Number(text);
      if (!integerPattern.test(text) || value < min || value > max)
        throw new BadValue(`is not a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const durationPattern = /^(\d{1,15})(ms|s|m|h|d|w)$/;
/** A hundred years: a moment so far from now is still one that a date can tell. */
const durationMsMax = 36_500 * unitsMs.d;

/** Milliseconds, written `500ms`, `90s`, `15m`, `48h`, `30d` or `2w`. */
export function duration(min: string, max: string): Kind<number> {
  const [minMs, maxMs] = [durationMs(min), durationMs(max)];
  return {
    pattern: durationPattern,
    parse: text => {
      const ms = durationMs(text);
      if (ms < minMs || ms > maxMs) throw new BadValue(`is not a duration from ${min} to ${max}`);
      return ms;
    },
  };
}

/** Throws `BadValue` when the text is not a duration such as `48h`. */
export function durationMs(text: string): number {
  const [, amount, unit] = durationPattern.exec(text) ?? [];
  const unitMs = Object.entries(unitsMs).find(([name]) => name === unit)?.[1];
  if (amount === undefined || unitMs === undefined)
    throw new BadValue('is not a duration (500ms, 90s, 15m, 48h, 30d, 2w)');
  const ms = Number(amount) * unitMs;
  if (ms > durationMsMax) throw new BadValue('is longer than a hundred years');
  return ms;
}

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    choices: values,
    parse: text => {
      const value = values.find(one => one === text);
      if (value === undefined) throw new BadValue(`is not one of ${values.join(', ')}`);
      return value;
    },
  };
}

/** Web origins, separated by commas; none when empty. */
export const origins: Kind<readonly string[]> = {
  parse: text => {
    const values = text.split(',').map(value => value.trim());
    if (text.trim() === '') return Object.freeze([]);
    for (const value of values)
      if (!/^https?:/.test(value) || !URL.canParse(value) || new URL(value).origin !== value)
        throw new BadValue('is not a list of origins (https://example.com,http://localhost:3000)');
    return Object.freeze(values);
  },
};

/** Addresses and networks (`10.0.0.0/8`), separated by commas; none when empty. */
export const networks: Kind<readonly string[]> = {
  parse: text => {
    const values = text.split(',').map(value => value.trim());
    if (text.trim() === '') return Object.freeze([]);
    if (!values.every(isNetwork))
      throw new BadValue('is not a list of addresses or networks (10.0.0.1,192.168.0.0/16)');
    return Object.freeze(values);
  },
};

function isNetwork(text: string): boolean {
  const [, ip = '', prefix = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  return isIP(ip) !== 0 && Number(prefix) <= (isIP(ip) === 4 ? 32 : 128);
}

/** Names of hosts, each with a port if it has one of its own, separated by commas; none when empty. */
export const hosts: Kind<readonly string[]> = {
  parse: text => {
    const values = text.split(',').map(value => value.trim());
    if (text.trim() === '') return Object.freeze([]);
    for (const value of values)
      if (!URL.canParse(`http://${value}`) || new URL(`http://${value}`).host !== value)
        throw new BadValue('is not a list of hosts (api.infobip.com,127.0.0.1:8081)');
    return Object.freeze(values);
  },
};

/** Where a server is: an http or https address, without a slash at its end. */
export const serverUrl: Kind<string> = {
  parse: text => {
    if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new BadValue('is not an http or https address');
    return text.replace(/\/+$/, '');
  },
};

/** The address of a PostgreSQL database; none when empty. */
export const databaseUrl: Kind<string | undefined> = {
  parse: text => {
    if (text === '') return undefined;
    if (!isDatabaseUrl(text)) throw new BadValue('is not an address like postgres://user:password@host:5432/database');
    return text;
  },
  mask: maskedUrl,
};

function isDatabaseUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text);
}

/** As `databaseUrl`, up to so many, separated by commas; a comma inside one is written `%2C`. `mask` takes one. */
export function databaseUrls(max: number): Kind<readonly string[]> {
  return {
    parse: text => {
      if (text.trim() === '') return Object.freeze([]);
      const values = text.split(',').map(value => value.trim());
      if (!values.every(isDatabaseUrl))
        throw new BadValue('is not a list of addresses like postgres://user:password@host:5432/database');
      if (new Set(values).size < values.length) throw new BadValue('names an address twice');
      if (values.length > max) throw new BadValue(`names more than ${max} addresses`);
      return Object.freeze(values);
    },
    mask: maskedUrl,
  };
}

/** Without passwords: the query may hold one as well. */
function maskedUrl(text: string): string {
  const { protocol, username, password, host, pathname } = new URL(text);
  const user = username === '' ? '' : `${username}${password === '' ? '' : ':***'}@`;
  return `${protocol}//${user}${host}${pathname}`;
}

/** Any printable ASCII without spaces: what a header can carry. */
export const credential: Kind<string> = {
  parse: text => {
    if (text === '') throw new BadValue('is empty: `sentlog keys create` makes a key');
    if (!/^[\x21-\x7e]+$/.test(text)) throw new BadValue('is not a key: `sentlog keys create` makes one');
    return text;
  },
};

/** Secrets, separated by commas, the newest first; none when empty. */
export function secretTexts(charsMin: number, max: number): Kind<readonly string[]> {
  return {
    parse: text => {
      if (text.trim() === '') return Object.freeze([]);
      const values = text.split(',').map(value => value.trim());
      if (!values.every(value => /^[\x21-\x7e]+$/.test(value)))
        throw new BadValue('has other than printable characters');
      if (values.some(value => value.length < charsMin)) throw new BadValue(`has less than ${charsMin} characters`);
      if (new Set(values).size < values.length) throw new BadValue('names a secret twice');
      if (values.length > max) throw new BadValue(`names more than ${max} secrets`);
      return Object.freeze(values);
    },
  };
}

/** One row of the table of settings. */
export type Setting<T> = {
  readonly env: `SENTLOG_${string}`;
  readonly kind: Kind<T>;
  /** As it would be written; absent when there is none. */
  readonly default?: string;
  readonly description: string;
  /** Never shown whole. */
  readonly secret?: boolean;
};

export function setting<T>(
  env: Setting<T>['env'],
  kind: Kind<T>,
  preset: string,
  description: string,
): Setting<T> & { readonly default: string } {
  return { env, kind, default: preset, description };
}

/** As another kind; none when empty. */
export function optional<T>({ parse }: Kind<T>): Kind<T | undefined> {
  return { parse: text => (text === '' ? undefined : parse(text)) };
}

/**
 * Variables that Kubernetes gives every pod for each service of its namespace, and Docker for a link, in the way of
 * Docker's links: a service that is called `sentlog`, or `sentlog-` and more, makes ones that begin as the settings do.
 * `SENTLOG_PORT` is both; the address of a service is no port. Source: Kubernetes, "Accessing the Service".
 */
const serviceVariable =
  /^SENTLOG_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const serviceAddress = /^(?:tcp|udp|sctp):\/\//;

/** Whether a variable is of such a service, and no setting. */
export function isOfService(name: string, value: string | undefined): boolean {
  return serviceVariable.test(name) || (name.endsWith('_PORT') && serviceAddress.test(value ?? ''));
}

import { lookup as resolve } from 'node:dns';
import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { type BlockList, isIP, type LookupFunction } from 'node:net';
import { limits } from '../limits.ts';
import { listOf } from '../networks.ts';
import { http, https } from '../node-http.ts';

export type ReportCall = {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** Calls whoever is to hear of reports; gives why it was in vain, and `undefined` when it was not. */
export type CallReports = (call: ReportCall) => Promise<string | undefined>;

/**
 * What is not on the public internet: IANA's special-purpose registries. IPv4 addresses inside IPv6 ones are looked at as
 * such.
 */
const special = {
  ipv4: [
    ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
    ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
    ...['224.0.0.0/4', '240.0.0.0/4'],
  ],
  // Of all of them 2000::/3 alone is given to the internet; a translator may take others for the IPv4 address in them.
  ipv6: ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
} as const;

type Post = Pick<ReportCall, 'body' | 'headers'> & {
  readonly url: URL;
  readonly protocol: 'http:' | 'https:';
  readonly signal: AbortSignal;
  /** `false` for a connection of its own. */
  readonly agent: HttpAgent | false;
};

/** `isOfOldConnection`: nothing of an answer came over a connection that others had used before. */
type Ending = { readonly failure?: string; readonly isOfOldConnection?: boolean };

/** For tests: who resolves names, and what a call may take. */
type CallerOptions = { readonly resolver?: typeof resolve; readonly msMax?: number };

/**
 * Calls public addresses, and those of the networks that are allowed: callers name where reports go, and must not reach
 * what only this machine can. A name is resolved once, and the connection goes to what it was resolved to; redirects are
 * not followed.
 */
export class ReportCaller {
  readonly #special = listOf([...special.ipv4, ...special.ipv6]);
  readonly #allowed: BlockList;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxFreeSockets: limits.pushesMax, timeout: limits.pushMsMax }),
    'https:': new https.Agent({ keepAlive: true, maxFreeSockets: limits.pushesMax, timeout: limits.pushMsMax }),
  } as const;
  readonly #resolve: typeof resolve;
  readonly #msMax: number;

  constructor(allowed: readonly string[], { resolver = resolve, msMax = limits.pushMsMax }: CallerOptions = {}) {
    this.#allowed = listOf(allowed);
    this.#resolve = resolver;
    this.#msMax = msMax;
  }

  readonly call: CallReports = async ({ url: text, body, headers }) => {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'not an http or https address';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !this.#mayReach(host)) return `${host} is not a public address`;
    const signal = AbortSignal.timeout(this.#msMax);
    const protocol = url.protocol === 'http:' ? 'http:' : 'https:';
    const sent = { url, protocol, body, headers, signal } as const;
    const first = await this.#post({ ...sent, agent: this.#agents[protocol] });
    // A connection that was kept may have been closed while nobody looked: that says nothing of the receiver.
    return (first.isOfOldConnection ? await this.#post({ ...sent, agent: false }) : first).failure;
  };

  async #post({ url, protocol, body, headers, signal, agent }: Post): Promise<Ending> {
    const request = protocol === 'http:' ? http.request : https.request;
    const ended = new Promise<Ending>(settled => {
      const call = request(url, {
        method: 'POST',
        agent,
        lookup: this.#lookup,
        headers: { ...headers, 'content-length': Buffer.byteLength(body), 'user-agent': 'sentlog' },
        signal,
      });
      // Unless it was answered, which settles it before.
      const cut = (reason: string) =>
        settled(
          signal.aborted ? { failure: 'no answer in time' } : { failure: reason, isOfOldConnection: call.reusedSocket },
        );
      call.on('error', error => cut(reasonOf(error)));
      call.on('response', answer => {
        drain(answer);
        const { statusCode = 0 } = answer;
        settled(statusCode >= 200 && statusCode < 300 ? {} : { failure: `HTTP ${statusCode}` });
      });
      // The answer to what was not asked for: the connection is not HTTP any more.
      call.on('upgrade', ({ statusCode }, socket) => {
        socket.destroy();
        settled({ failure: `HTTP ${statusCode}` });
      });
      // Whatever else ends it: a call that never settles holds its place, and a place of all, for good.
      call.on('close', () => cut('the connection was closed'));
      call.end(body);
    });
    // An address that was taken in by an older version may be one that no request can be made to.
    return ended.catch(error => ({ failure: reasonOf(error) }));
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #mayReach(address: string): boolean {
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    return this.#allowed.check(address, family) || !this.#special.check(address, family);
  }

  readonly #lookup: LookupFunction = (host, options, answer) => {
    this.#resolve(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return answer(error, '');
      const addresses = found.filter(one => this.#mayReach(one.address));
      const [first] = addresses;
      if (first === undefined) return answer(new Error(`${host} has no public address`), '');
      if (options.all) return answer(null, addresses);
      return answer(null, first.address, first.family);
    });
  };
}

/** The rest is of no interest: what is short is read, so that the connection may be used again. */
function drain(answer: IncomingMessage): void {
  let bytes = 0;
  answer.on('error', () => {});
  answer.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > limits.pushAnswerBytesMax) answer.destroy();
  });
}

function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return reasonOf(error.errors[0]);
  return error.message || error.name;
}

import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { ClientBase } from 'pg';

/** A cancel request that came before its statement did is lost: another is sent when the work goes on for so long. */
const againMs = 200;
const answerMsMax = 5_000;
const cancelRequestCode = 80_877_102;
const tlsRequestCode = 80_877_103;

/**
 * Does work on a connection, and has the server give up the statement under way when the signal is aborted. When this
 * ends no cancel request is on its way any more, so none can meet what the connection runs next; `unsure` is called when
 * that is not certain, and the connection must not be used again.
 */
export async function whileWanted<T>(
  client: ClientBase,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  unsure: () => void,
): Promise<T> {
  if (signal === undefined) return work();
  const over = new AbortController();
  let cancelled: Promise<boolean> | undefined;
  const cancel = () => {
    cancelled = cancelUntil(client, over.signal);
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', cancel);
    over.abort();
    if (cancelled !== undefined && !((await cancelled) && (await isStill(client)))) unsure();
  }
}

/** Whether every request is known to have come to its end. */
async function cancelUntil(client: ClientBase, over: AbortSignal): Promise<boolean> {
  do {
    if (!(await requestCancel(client))) return false;
    await setTimeout(againMs, undefined, { signal: over }).catch(() => {});
  } while (!over.aborted);
  return true;
}

/** The signal of a request that ended is with the server's process; it meets this statement, or nothing. */
async function isStill(client: ClientBase): Promise<boolean> {
  try {
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks the server to give up what this connection runs, by a connection of its own, as the protocol has it. Resolves
 * when the server has closed that, which it does after it has passed the signal on; `false` when it did not. Where the
 * connection is under TLS, so is the request: its key lets anybody cancel what the connection runs.
 */
async function requestCancel(client: ClientBase): Promise<boolean> {
  const place = placeOf(client);
  if (place === undefined) return false;
  const raw: Socket = place.host.startsWith('/')
    ? connect(`${place.host}/.s.PGSQL.${place.port}`)
    : connect(place.port, place.host);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let passed = false;
  const fail = () => {
    passed = false;
    raw.destroy();
  };
  raw.on('error', fail);
  raw.once('close', () => resolve(passed));
  raw.setTimeout(answerMsMax, fail);
  try {
    const socket = place.ssl === undefined ? raw : await underTls(raw, place, place.ssl);
    if (socket !== raw) socket.on('error', fail);
    passed = true;
    socket.resume();
    socket.end(numbers(16, cancelRequestCode, place.processId, place.secretKey));
  } catch {
    fail();
  }
  return promise;
}

/** Goes over to TLS as the driver does for its own connections. Rejects where the server, or its certificate, will not. */
async function underTls(raw: Socket, { host, isDirect }: Place, ssl: object): Promise<Socket> {
  if (isDirect) await once(raw, 'connect');
  else {
    raw.write(numbers(8, tlsRequestCode));
    const [answer]: unknown[] = await once(raw, 'data');
    // More than the one byte would be what somebody put in before the encryption begins.
    if (!Buffer.isBuffer(answer) || answer.toString('latin1') !== 'S')
      throw new Error('the server does not go over to TLS');
  }
  const options: ConnectionOptions = {
    ...{ socket: raw, host },
    ...(isDirect && { ALPNProtocols: ['postgresql'] }),
    ...(isIP(host) === 0 && { servername: host }),
  };
  // The driver keeps the key where it is not enumerated.
  Object.assign(options, ssl, 'key' in ssl ? { key: ssl.key } : {});
  const secured = connectTls(options);
  await once(secured, 'secureConnect');
  return secured;
}

function numbers(...values: readonly number[]): Buffer {
  const request = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) request.writeInt32BE(value, 4 * i);
  return request;
}

/** `ssl` are the options of TLS, where the connection is under it; `isDirect`, that it is so from its first byte on. */
type Place = {
  readonly host: string;
  readonly port: number;
  readonly processId: number;
  readonly secretKey: number;
  readonly ssl?: object;
  readonly isDirect: boolean;
};

/** Where a connection leads, and what names it to the server; the driver's types do not tell all of it. */
function placeOf(client: ClientBase): Place | undefined {
  const field = (name: string): unknown => Reflect.get(client, name);
  const [host, port, processId, secretKey, ssl] = ['host', 'port', 'processID', 'secretKey', 'ssl'].map(field);
  if (typeof host !== 'string' || typeof port !== 'number') return undefined;
  if (typeof processId !== 'number' || typeof secretKey !== 'number') return undefined;
  const options = typeof ssl === 'object' && ssl !== null ? ssl : {};
  return {
    ...{ host, port, processId, secretKey, isDirect: field('sslNegotiation') === 'direct' },
    // Whatever the driver takes for a wish of TLS.
    ...(Boolean(ssl) && { ssl: options }),
  };
}

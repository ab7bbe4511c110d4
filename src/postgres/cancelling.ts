import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { ClientBase } from 'pg';

/** A cancel request that came before its statement did is lost: another is sent when the work goes on for so long. */
const againMs = 200;
const answerMsMax = 5_000;
const cancelRequestCode = 80_877_102;

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
 * when the server has closed that, which it does after it has passed the signal on; `false` when it did not.
 */
async function requestCancel(client: ClientBase): Promise<boolean> {
  const place = placeOf(client);
  if (place === undefined) return false;
  const request = Buffer.alloc(16);
  for (const [i, value] of [16, cancelRequestCode, place.processId, place.secretKey].entries())
    request.writeInt32BE(value, 4 * i);
  const socket: Socket = place.host.startsWith('/')
    ? connect(`${place.host}/.s.PGSQL.${place.port}`)
    : connect(place.port, place.host);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let failed = false;
  socket.once('error', () => {
    failed = true;
  });
  socket.once('close', () => resolve(!failed));
  socket.setTimeout(answerMsMax, () => {
    failed = true;
    socket.destroy();
  });
  socket.resume();
  socket.end(request);
  return promise;
}

type Place = { readonly host: string; readonly port: number; readonly processId: number; readonly secretKey: number };

/** Where a connection leads, and what names it to the server; the driver's types do not tell all of it. */
function placeOf(client: ClientBase): Place | undefined {
  const field = (name: string): unknown => Reflect.get(client, name);
  const [host, port, processId, secretKey] = ['host', 'port', 'processID', 'secretKey'].map(field);
  if (typeof host !== 'string' || typeof port !== 'number') return undefined;
  if (typeof processId !== 'number' || typeof secretKey !== 'number') return undefined;
  return { host, port, processId, secretKey };
}

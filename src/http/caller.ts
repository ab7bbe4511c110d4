import type { ServerResponse } from 'node:http';
import { ClientGone } from './errors.ts';

/** Work for a caller, given up when the connection closes before it is done. */
export async function whileThere<T>(response: ServerResponse, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const gone = new AbortController();
  const giveUp = () => gone.abort(new ClientGone());
  if (response.closed || response.destroyed) giveUp();
  response.once('close', giveUp);
  try {
    return await work(gone.signal);
  } finally {
    response.off('close', giveUp);
  }
}

import { setImmediate } from 'node:timers/promises';
import { type LogForm, renderLogs } from '../../../wire/text/log-text.ts';
import type { Page, RenderedPage } from '../../store.ts';

/** Logs that are rendered before others have their turn: a page of long contents takes a tenth of a second. */
const logsAtATime = 100;

export async function rendered({ logs, ...end }: Page, form: LogForm): Promise<RenderedPage> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < logs.length; at += logsAtATime) {
    if (at > 0) await setImmediate();
    const text = renderLogs(logs.slice(at, at + logsAtATime), form);
    pieces.push(Buffer.from(form === 'json' && at > 0 ? `,${text}` : text));
  }
  // Not from the pool of small buffers: whoever has sent it gives its memory back.
  const text = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    text.set(piece, at);
    at += piece.length;
  }
  return { text, count: logs.length, ...end };
}

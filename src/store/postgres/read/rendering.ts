import { joined, Slices } from '../../../slices.ts';
import { type LogForm, renderLogs } from '../../../wire/text/log-text.ts';
import type { Page, RenderedPage } from '../../store.ts';

/** Logs that are rendered at once, and characters of their contents, before it is looked whether others wait. */
const logsAtATime = 100;
const charsAtATime = 256 * 1024;

export async function rendered({ logs, ...end }: Page, form: LogForm): Promise<RenderedPage> {
  const pieces: Buffer[] = [];
  const slices = new Slices();
  for (let at = 0, to = 0; at < logs.length; at = to) {
    const pause = slices.pause();
    if (pause !== undefined) await pause;
    for (let chars = 0; to < logs.length && to - at < logsAtATime && chars < charsAtATime; to++)
      chars += logs[to]?.contentJson.length ?? 0;
    const text = renderLogs(logs.slice(at, to), form);
    pieces.push(Buffer.from(form === 'json' && at > 0 ? `,${text}` : text));
  }
  // Not from the pool of small buffers: whoever has sent it gives its memory back.
  return { text: await joined(pieces), count: logs.length, ...end };
}

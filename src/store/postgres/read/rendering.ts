import type { LogRecord } from '../../../domain/message.ts';
import { joined, Slices } from '../../../slices.ts';
import { type LogForm, renderLogs } from '../../../wire/text/log-text.ts';
import type { Page, RenderedPage } from '../../store.ts';
import type { PageTaker } from './reader.ts';

/** Logs that are rendered at once, and characters of their contents, before it is looked whether others wait. */
const logsAtATime = 100;
const charsAtATime = 256 * 1024;

/** Renders a page as it is read: of what was read nothing else is held. */
export class Rendering implements PageTaker<Pick<RenderedPage, 'text' | 'count'>> {
  readonly #form: LogForm;
  readonly #pieces: Buffer[] = [];
  #count = 0;

  constructor(form: LogForm) {
    this.#form = form;
  }

  async add(logs: readonly LogRecord[]): Promise<void> {
    const slices = new Slices();
    for (let at = 0, to = 0; at < logs.length; at = to) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      for (let chars = 0; to < logs.length && to - at < logsAtATime && chars < charsAtATime; to++)
        chars += logs[to]?.contentJson.length ?? 0;
      const text = renderLogs(logs.slice(at, to), this.#form);
      this.#pieces.push(Buffer.from(this.#form === 'json' && this.#pieces.length > 0 ? `,${text}` : text));
    }
    this.#count += logs.length;
  }

  async all(): Promise<Pick<RenderedPage, 'text' | 'count'>> {
    // Not from the pool of small buffers: whoever has sent it gives its memory back.
    return { text: await joined(this.#pieces), count: this.#count };
  }
}

/** Gathers a page as it is read. */
export class Gathering implements PageTaker<Pick<Page, 'logs'>> {
  readonly #logs: LogRecord[] = [];

  async add(logs: readonly LogRecord[]): Promise<void> {
    for (const log of logs) this.#logs.push(log);
  }

  async all(): Promise<Pick<Page, 'logs'>> {
    return { logs: this.#logs };
  }
}

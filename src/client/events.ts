import { ConnectionError } from './errors.ts';

/** One block of an event stream; `data` is empty where only the id was set. */
export type ServerEvent = { readonly event: string; readonly data: string; readonly id: string | undefined };

/** Longer than any log: what comes without a line end beyond it is not an event stream. */
const pendingCharsMax = 4_000_000;

/**
 * Server-sent events out of an answer, those that only set the id among them. Each wait for the next piece goes through
 * `waiting`, so that one that takes too long can be given up; comments are pieces too.
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  waiting: <T>(piece: Promise<T>) => Promise<T>,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = body.getReader();
  const blocks = new BlockReader();
  try {
    for (;;) {
      const { done, value } = await waiting(reader.read());
      if (done) return;
      yield* blocks.take(value);
    }
  } finally {
    // What is left is nobody's any longer, and neither is the reason why it cannot be let go.
    await reader.cancel().catch(() => undefined);
  }
}

class BlockReader {
  readonly #decoder = new TextDecoder();
  #pending = '';
  #event = 'message';
  #id: string | undefined;
  #data: string[] = [];
  #isEmpty = true;

  *take(bytes: Uint8Array): Generator<ServerEvent, void, undefined> {
    const text = this.#pending + this.#decoder.decode(bytes, { stream: true });
    // A line feed that comes with the next piece belongs to this line end.
    const whole = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, whole).split(/\r\n|\n|\r/);
    this.#pending = (lines.pop() ?? '') + text.slice(whole);
    if (this.#pending.length > pendingCharsMax) throw new ConnectionError('the answer is not a stream of events');
    for (const line of lines) {
      if (line !== '') this.#line(line);
      else if (!this.#isEmpty) yield this.#block();
    }
  }

  #line(line: string): void {
    const [, name, field = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'event') this.#event = field;
    else if (name === 'data') this.#data.push(field);
    else if (name === 'id') this.#id = field;
    else return;
    this.#isEmpty = false;
  }

  #block(): ServerEvent {
    const block = { event: this.#event, data: this.#data.join('\n'), id: this.#id };
    this.#event = 'message';
    this.#data = [];
    this.#isEmpty = true;
    return block;
  }
}

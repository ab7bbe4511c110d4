import { streamPath } from './http-server.ts';

export type Block = { readonly event?: string; readonly id?: string; readonly data?: string; readonly comment?: true };

/** What takes longer has gone wrong, on a slow and busy machine too. */
const comesWithinMs = 60_000;

/** What a call of the stream was answered with, block by block as it came. */
export class EventStream {
  readonly response: Response;
  readonly blocks: Block[] = [];
  /** Resolves when the connection is over, however it ended. */
  readonly over: Promise<void>;
  readonly #ending: AbortController;

  constructor(response: Response, ending: AbortController) {
    this.response = response;
    this.#ending = ending;
    this.over = this.#read();
  }

  static async open(
    url: string,
    query = '',
    { name = 'one', headers = {} }: { readonly name?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<EventStream> {
    const ending = new AbortController();
    const all = { authorization: `App ${name}`, ...headers };
    return new EventStream(
      await fetch(`${url}${streamPath}?${query}`, { headers: all, signal: ending.signal }),
      ending,
    );
  }

  /** Ids of the messages in the events so far. */
  get messageIds(): readonly string[] {
    return this.logs.map(log => log.messageId);
  }

  get logs(): readonly { readonly messageId: string; readonly status: { readonly name: string } }[] {
    return this.blocks.filter(({ event }) => event === 'log').map(({ data }) => JSON.parse(data ?? ''));
  }

  get lastId(): string {
    const id = this.blocks.findLast(block => block.id !== undefined)?.id;
    if (id === undefined) throw new Error('no id has come');
    return id;
  }

  /** Resolves once it holds; rejects, with all that has come, when it does not for a minute. */
  async until(isThere: (stream: this) => boolean): Promise<this> {
    for (const end = Date.now() + comesWithinMs; !isThere(this); ) {
      if (Date.now() > end)
        throw new Error(`it does not come: ${isThere}\n${this.blocks.map(block => JSON.stringify(block)).join('\n')}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    return this;
  }

  opened(): Promise<this> {
    return this.until(({ blocks }) => blocks.length > 0);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.over;
  }

  async #read(): Promise<void> {
    let text = '';
    try {
      for await (const piece of (this.response.body ?? new Blob([]).stream()).pipeThrough(new TextDecoderStream())) {
        const blocks = (text + piece).split('\n\n');
        text = blocks.pop() ?? '';
        this.blocks.push(...blocks.map(blockOf));
      }
    } catch {
      // Cut off: by `close`, or by the server.
    }
  }
}

function blockOf(text: string): Block {
  const fields = text.split('\n').map(line => {
    const colon = line.indexOf(':');
    return colon === 0 ? (['comment', true] as const) : ([line.slice(0, colon), line.slice(colon + 2)] as const);
  });
  return Object.fromEntries(fields);
}

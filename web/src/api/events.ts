export type ServerEvent = { readonly event: string; readonly data: string; readonly id: string | undefined };

/** Longer than any log: what comes without a line end beyond it is not an event stream. */
const pendingCharsMax = 4_000_000;

/** Server-sent events out of a response, those that only set the id among them, and a `beat` for every piece that arrives, comments among them. */
export async function* serverEvents(body: ReadableStream<Uint8Array>, beat: () => void): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  let event = 'message';
  let id: string | undefined;
  let named = false;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      beat();
      const lines = (pending + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r/);
      pending = lines.pop() ?? '';
      if (pending.length > pendingCharsMax) throw new Error('the stream is not one of events');
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0 || event !== 'message' || named) yield { event, data: data.join('\n'), id };
          event = 'message';
          named = false;
          data = [];
          continue;
        }
        const [, name, field = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
        if (name === 'event') event = field;
        else if (name === 'data') data.push(field);
        else if (name === 'id') {
          id = field;
          named = true;
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

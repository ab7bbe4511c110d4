import { openGraph } from '../../src/simulator/open.ts';
import { defaultTerms } from '../../src/simulator/terms.ts';
import { appSecret, type SendingPlaces, type Sends } from './messages.ts';

export type SimulatedSide = { readonly sends: (after: number) => Sends; readonly stop: () => Promise<void> };

/** A simulated Meta that counts what it is called for, and how long its own calls of the webhook are answered after. */
export async function openMeta({ port, graphPort }: SendingPlaces): Promise<SimulatedSide> {
  const calls = new WebhookCalls();
  globalThis.fetch = calls.timed(fetch);
  const { meta, isQuiet, close } = await openGraph({
    host: '127.0.0.1',
    port: graphPort,
    simulator: defaultTerms,
    access: { appSecret, requiresProof: true },
    webhookUrl: `http://127.0.0.1:${port}/webhooks/meta`,
    note: reason => calls.fail(reason),
  });
  const sends = (after: number): Sends => {
    const sent = meta.sent().slice(after);
    const durationMs = (sent.at(-1)?.at ?? 0) - (sent[0]?.at ?? 0);
    return { kind: 'sends', messages: sent.length, durationMs, ...calls.figures(), isQuiet: isQuiet() };
  };
  return { sends, stop: close };
}

/** The calls of the webhook; all that this process fetches are. */
class WebhookCalls {
  #events = 0;
  #slowestCallMs = 0;
  #beganMs: number | undefined;
  #endedMs = 0;
  #failure: string | undefined;

  timed(real: typeof fetch): typeof fetch {
    return async (input, init) => {
      const beganMs = performance.now();
      this.#beganMs ??= beganMs;
      const answer = await real(input, init);
      this.#endedMs = performance.now();
      this.#slowestCallMs = Math.max(this.#slowestCallMs, this.#endedMs - beganMs);
      if (answer.status === 200) this.#events += String(init?.body).split('"timestamp":').length - 1;
      return answer;
    };
  }

  fail(reason: string): void {
    this.#failure ??= reason;
  }

  figures(): Pick<Sends, 'events' | 'eventsMs' | 'slowestCallMs'> {
    if (this.#failure !== undefined) throw new Error(this.#failure);
    const eventsMs = this.#endedMs - (this.#beganMs ?? this.#endedMs);
    return { events: this.#events, eventsMs, slowestCallMs: this.#slowestCallMs };
  }
}

import { Client, type Dispatcher } from 'undici';

export type Answer = { readonly status: number; readonly body: Buffer };

const answerWithinMs = 120_000;

/** The server is gone, or was killed while it answered. */
export class ConnectionBroken extends Error {
  constructor(cause: Error) {
    super(`the connection broke: ${cause.message}`, { cause });
    this.name = 'ConnectionBroken';
  }
}

/** One keep-alive connection with one request at a time: latency under load is that of so many patient clients. */
export class Connection {
  readonly #client: Client;
  readonly #authorization: string;

  constructor(port: number, authorization: string) {
    this.#client = new Client(`http://127.0.0.1:${port}`, {
      pipelining: 1,
      headersTimeout: answerWithinMs,
      bodyTimeout: answerWithinMs,
    });
    this.#authorization = authorization;
  }

  get(path: string): Promise<Answer> {
    return this.#send({ method: 'GET', path, headers: ['authorization', this.#authorization] });
  }

  post(path: string, type: string, body: Buffer): Promise<Answer> {
    const headers = ['authorization', this.#authorization, 'content-type', type];
    return this.#send({ method: 'POST', path, headers, body });
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }

  #send(request: Dispatcher.DispatchOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let status = 0;
      const chunks: Buffer[] = [];
      this.#client.dispatch(request, {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: (_controller, chunk) => {
          chunks.push(chunk);
        },
        onResponseEnd: () => resolve({ status, body: Buffer.concat(chunks) }),
        onResponseError: (_controller, error) => reject(new ConnectionBroken(error)),
      });
    });
  }
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A line to a server that may fall silent, be cut, or lead somewhere else for those who come later. */
export class Line {
  readonly #server = createServer(socket => this.#carry(socket));
  readonly #sockets = new Set<Socket>();
  readonly #port1: number;
  port2: number | undefined;
  /** How far away the other end is for those who come later: what they send first arrives so much later. */
  delayMs = 0;
  isSilent = false;
  /** As when the near end is frozen: what it writes next at once arrives, and nothing after that. */
  freezesAfterNext = false;

  private constructor(port: number) {
    this.#port1 = port;
  }

  static async to(port: number): Promise<Line> {
    const line = new Line(port);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the line has no port');
    return address.port;
  }

  /** How many are carried. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Ends every connection; those that come next are carried again. */
  cut(): void {
    this.isSilent = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(near: Socket): void {
    const far = connect(this.port2 ?? this.#port1, '127.0.0.1');
    if (this.delayMs > 0) {
      near.pause();
      setTimeout(() => near.resume(), this.delayMs);
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', chunk => {
        if (!this.isSilent) to.write(chunk);
        if (this.freezesAfterNext && from === near) this.isSilent = true;
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}

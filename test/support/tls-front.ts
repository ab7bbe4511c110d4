import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/** Of nobody but these tests, for 127.0.0.1, signed by itself. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghUh6Fz8+rkAbkUN1
bEKsCXleDulP1sy6O3w9VsBv7BuhRANCAARXBefw0qz40Fu1jW+8JXSCe/soWEHx
rXkNHEijH0EMzNOrh2B+i9QWAK44X+XECeW04SF+gdfgQ9ltJ/19PoEV
-----END PRIVATE KEY-----
`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUfkBAMNe09Inoj9XsQd5hlB6EABYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTEwMDExOFoYDzIxMjYxMTA1
MTAwMTE4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARXBefw0qz40Fu1jW+8JXSCe/soWEHxrXkNHEijH0EMzNOrh2B+i9QW
AK44X+XECeW04SF+gdfgQ9ltJ/19PoEVo2QwYjAdBgNVHQ4EFgQU3TCj7OuAlI3d
P4Qc35+Uu/tTYpMwHwYDVR0jBBgwFoAU3TCj7OuAlI3dP4Qc35+Uu/tTYpMwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IA4TSK6bVgQ+c6mgD7kixU6hXcjFSVZnGJ+vhgrNNOCGAiAy5acdtI5QZGiv9hV1
X0DEdxdojPlAJKrJm4FYx4PszQ==
-----END CERTIFICATE-----
`;

const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** A server of PostgreSQL's protocol under TLS, before one that speaks it in the clear. */
export class TlsFront {
  readonly #server = createServer(socket => void this.#serve(socket).catch(() => socket.destroy()));
  readonly #behind: number;
  /** What came first on connections that did not ask for TLS; they are not served. */
  readonly inTheClear: Buffer[] = [];
  /** Whether it goes over to TLS with those that ask. */
  isWilling = true;

  private constructor(behind: number) {
    this.#behind = behind;
  }

  static async before(port: number): Promise<TlsFront> {
    const front = new TlsFront(port);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the front does not listen');
    return address.port;
  }

  async close(): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(raw: Socket): Promise<void> {
    raw.on('error', () => {});
    const [first]: unknown[] = await once(raw, 'data');
    if (!Buffer.isBuffer(first)) throw new TypeError('a socket gave no bytes');
    if (!first.equals(tlsRequest)) {
      this.inTheClear.push(first);
      raw.destroy();
      return;
    }
    raw.write(this.isWilling ? 'S' : 'N');
    if (!this.isWilling) return;
    const secured = new TLSSocket(raw, { isServer: true, secureContext: createSecureContext({ key, cert }) });
    const server = connect(this.#behind, '127.0.0.1');
    for (const socket of [secured, server]) socket.on('error', () => {});
    secured.pipe(server).pipe(secured);
    secured.once('close', () => server.destroy());
    server.once('close', () => secured.destroy());
  }
}

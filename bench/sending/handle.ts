import { join } from 'node:path';
import { servedArgs, servedEnv } from '../../test/support/as-served.ts';
import { freePort } from '../../test/support/free-port.ts';
import { bundled } from '../server/program.ts';
import { Program, type Workplace } from '../workplace.ts';
import type { OutboxChoice, SendingCommand, SendingPlaces, SendingReply, Sends } from './messages.ts';

type Memory = { readonly residentBytes: number; readonly peakBytes: number };

/** A server that sends and the simulated Meta that it sends to, each in a process of its own, seen from the bench. */
export class SendingPair {
  readonly port: number;
  readonly authorization: string;
  readonly #server: Program<SendingCommand, SendingReply>;
  readonly #meta: Program<SendingCommand, SendingReply>;

  private constructor(
    port: number,
    authorization: string,
    server: Program<SendingCommand, SendingReply>,
    meta: Program<SendingCommand, SendingReply>,
  ) {
    this.port = port;
    this.authorization = authorization;
    this.#server = server;
    this.#meta = meta;
  }

  static async start(workplace: Workplace, outbox: OutboxChoice, pages: readonly string[]): Promise<SendingPair> {
    const places: SendingPlaces = { port: await freePort(), graphPort: await freePort(), pages };
    const path = await bundled('sending');
    const started = {
      args: servedArgs('graph'),
      env: { NODE_COMPILE_CACHE: join(workplace.folder, 'compiled'), ...servedEnv },
    };
    const program = () => new Program<SendingCommand, SendingReply>(workplace, path, started);
    const [meta, server] = [program(), program()];
    await ask(meta, { kind: 'graph', ...places }, 'ready');
    const { authorization } = await ask(server, { kind: 'serve', outbox, ...places }, 'ready');
    return new SendingPair(places.port, authorization, server, meta);
  }

  sends(after: number): Promise<Sends> {
    return ask(this.#meta, { kind: 'sends', after }, 'sends');
  }

  memory(): Promise<Memory> {
    return ask(this.#server, { kind: 'memory' }, 'memory');
  }

  /** What is still in line stays there: the server is not asked to finish. */
  async end(): Promise<void> {
    await this.#server.end();
    await this.#meta.end();
  }
}

async function ask<K extends SendingReply['kind']>(
  program: Program<SendingCommand, SendingReply>,
  command: SendingCommand,
  kind: K,
): Promise<Extract<SendingReply, { readonly kind: K }>> {
  const reply = program.reply();
  program.send(command);
  const message = await reply;
  if (isKind(message, kind)) return message;
  throw new Error(
    message.kind === 'failed' ? message.reason : `a side of sending answered ${message.kind}, not ${kind}`,
  );
}

function isKind<K extends SendingReply['kind']>(
  message: SendingReply,
  kind: K,
): message is Extract<SendingReply, { readonly kind: K }> {
  return message.kind === kind;
}

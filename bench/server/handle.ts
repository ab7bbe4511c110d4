import { join } from 'node:path';
import { servedArgs, servedEnv } from '../../test/support/as-served.ts';
import { Program, type Workplace } from '../workplace.ts';
import type { ServerCommand, ServerReply, ServerSettings } from './messages.ts';
import { bundled } from './program.ts';

type Kind = ServerReply['kind'];
type ReplyOf<K extends Kind> = Extract<ServerReply, { readonly kind: K }>;

/** A server process, seen from the bench. */
export class ServerProcess {
  readonly port: number;
  readonly authorization: string;
  readonly #program: Program<ServerCommand, ServerReply>;

  private constructor(program: Program<ServerCommand, ServerReply>, port: number, authorization: string) {
    this.#program = program;
    this.port = port;
    this.authorization = authorization;
  }

  /** Resolves when the server listens. */
  static async start(workplace: Workplace, settings: ServerSettings): Promise<ServerProcess> {
    const compiled = join(workplace.folder, 'compiled');
    const program = new Program<ServerCommand, ServerReply>(workplace, await bundled('server'), {
      args: servedArgs(),
      env: { NODE_COMPILE_CACHE: compiled, ...servedEnv },
    });
    const listening = expect(program, 'listening');
    // Not among the arguments, which every user of the machine can see.
    program.send({ kind: 'start', settings });
    const { port } = await listening;
    return new ServerProcess(program, port, settings.access.authorization);
  }

  ask<K extends Kind>(command: ServerCommand, kind: K): Promise<ReplyOf<K>> {
    const reply = expect(this.#program, kind);
    this.#program.send(command);
    return reply;
  }

  /** Ends it as SIGTERM would: everything taken is kept. */
  async stop(): Promise<void> {
    await this.ask({ kind: 'stop' }, 'stopped');
    await this.#program.leave();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#program.end();
  }
}

async function expect<K extends Kind>(program: Program<ServerCommand, ServerReply>, kind: K): Promise<ReplyOf<K>> {
  const message = await program.reply();
  if (isKind(message, kind)) return message;
  throw new Error(message.kind === 'failed' ? message.reason : `the server answered ${message.kind}, not ${kind}`);
}

function isKind<K extends Kind>(message: ServerReply, kind: K): message is ReplyOf<K> {
  return message.kind === kind;
}

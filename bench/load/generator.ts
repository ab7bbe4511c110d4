import { Program, type Workplace } from '../workplace.ts';
import type { LoadCommand, LoadReply, LoadResult, Plan, StopCommand } from './plan.ts';

/** The load generator's process, seen from the bench. */
export class LoadGenerator {
  readonly #program: Program<LoadCommand | StopCommand, LoadReply>;

  private constructor(program: Program<LoadCommand | StopCommand, LoadReply>) {
    this.#program = program;
  }

  static async start(workplace: Workplace): Promise<LoadGenerator> {
    const program = new Program<LoadCommand | StopCommand, LoadReply>(workplace, 'load/process.ts');
    await program.reply();
    return new LoadGenerator(program);
  }

  /** One plan at a time; rejects when an answer was not as the plan must get it. */
  async run(port: number, authorization: string, plan: Plan): Promise<LoadResult> {
    const reply = this.#program.reply();
    this.#program.send({ kind: 'run', port, authorization, plan });
    const message = await reply;
    if (message.kind === 'result') return message.result;
    throw new Error(message.kind === 'failed' ? message.reason : 'the load generator answered out of turn');
  }

  /** Ends a plan that runs until it is stopped. */
  stop(): void {
    this.#program.send({ kind: 'stop' });
  }
}

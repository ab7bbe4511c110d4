/** The load generator as a process of its own: it takes one plan at a time from the bench and answers its figures. */
import type { LoadCommand, LoadReply, StopCommand } from './plan.ts';
import { runPlan } from './run-plan.ts';

function serve(): void {
  const reply = (message: LoadReply) => process.send?.(message);
  let running = new AbortController();
  process.on('message', (message: LoadCommand | StopCommand) => {
    if (message.kind === 'stop') return running.abort();
    running = new AbortController();
    runPlan(message.plan, message, running.signal).then(
      result => reply({ kind: 'result', result }),
      (error: Error) => reply({ kind: 'failed', reason: error.stack ?? error.message }),
    );
  });
  // The bench is gone, in whatever way: nothing is left to generate load for.
  process.on('disconnect', () => process.exit());
  reply({ kind: 'ready' });
}

serve();

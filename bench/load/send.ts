import type { LoadResult, SendPlan } from './plan.ts';
import { onConnections, type Server, Tally, unexpected } from './tally.ts';

/** So many that conversations, of which one message goes out at a time, do not bound the rate. */
const people = 5_003;

/** Messages `from` … `to` - 1 in requests, over the pages in turn. */
export async function send(plan: SendPlan, server: Server): Promise<LoadResult> {
  const tally = new Tally();
  let next = plan.from;
  await onConnections(plan.connections, server, async connection => {
    while (next < plan.to && tally.passedMs < plan.timeMs) {
      const from = next;
      next = Math.min(plan.to, from + plan.batchMessages);
      const count = next - from;
      const body = Buffer.from(
        JSON.stringify({ messages: Array.from({ length: count }, (_, index) => message(plan, from + index)) }),
      );
      const answer = await tally.time(() => connection.post('/messenger/1/messages', 'application/json', body));
      const taken = answer.body.toString().split('"messageId"').length - 1;
      if (taken !== count) throw unexpected('messages accepted', count, answer);
      tally.records += count;
    }
  });
  return tally.result();
}

function message({ pages }: SendPlan, number: number) {
  return {
    sender: pages[number % pages.length],
    destinations: [{ to: `person ${number % people}`, messageId: `message-${number}` }],
    content: {
      type: 'TEXT',
      text: `Hello, this is message ${number} of the bench, of about a hundred characters in all.`,
    },
  };
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { graphBody, isRefusal } from '../../src/graph/bodies.ts';
import { outcomeOf } from '../../src/graph/outcomes.ts';
import { receiptsIn } from '../../src/graph/webhook-events.ts';
import { GraphCalls } from '../../src/sender/graph-calls.ts';
import { appSecret, type SendingPlaces, token } from '../sending/messages.ts';

export type Job = { readonly id: number; readonly page: string; readonly messageId: string; readonly body: string };
export type NewJob = Omit<Job, 'id'>;
export type Sent = { readonly id: number; readonly mid: string };

/** A table of jobs with a state: durable, and no more. */
export interface Queue {
  add(jobs: readonly NewJob[]): Promise<void>;
  /** The oldest that wait, marked as being sent. */
  take(count: number): Promise<readonly Job[]>;
  sent(those: readonly Sent[]): Promise<void>;
  /** By their ids at Meta. */
  delivered(mids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const sendingMax = 256;
const lookEveryMs = 20;

type Request = {
  readonly messages: readonly {
    readonly sender: string;
    readonly destinations: readonly [{ readonly to: string; readonly messageId: string }];
    readonly content: { readonly type: 'TEXT'; readonly text: string };
  }[];
};

/**
 * What a program would do that needs none of sentlog's guarantees: it takes requests as they come, sends the oldest first
 * over the same connections, and marks what was sent and delivered. It checks no content, keeps no order in a
 * conversation and no rate, makes no report, fills no log, and sends again what a crash interrupted.
 */
export async function servePlainQueue(queue: Queue, { port, graphPort }: SendingPlaces): Promise<() => Promise<void>> {
  const calls = new GraphCalls({ url: `http://127.0.0.1:${graphPort}`, version: 'v25.0' });
  const sending = new Sending(queue, calls);
  const server = createServer((request, response) => {
    const done = request.url === '/webhooks/meta' ? heard(queue, request) : taken(queue, request);
    done.then(
      text => {
        sending.wake();
        response.writeHead(200, { 'content-type': 'application/json' }).end(text);
      },
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  // By default a connection would be closed that is about to be used, whenever this process was busy for five seconds.
  server.keepAliveTimeout = 0;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    server.closeAllConnections();
    server.close();
    await sending.close();
    calls.close();
    await queue.close();
  };
}

async function taken(queue: Queue, request: IncomingMessage): Promise<string> {
  const { messages }: Request = JSON.parse((await bytesOf(request)).toString());
  const jobs = messages.map(({ sender, destinations: [{ to, messageId }], content }) => {
    const body = graphBody({ messageId, destination: to, content });
    if (isRefusal(body)) throw new Error('the bench sends what cannot be sent');
    return { page: sender, messageId, body: JSON.stringify(body) };
  });
  await queue.add(jobs);
  return JSON.stringify({ messages: jobs.map(({ messageId }) => ({ messageId })) });
}

async function heard(queue: Queue, request: IncomingMessage): Promise<string> {
  const bytes = await bytesOf(request);
  const given = Buffer.from(String(request.headers['x-hub-signature-256']).slice('sha256='.length), 'hex');
  if (!timingSafeEqual(createHmac('sha256', appSecret).update(bytes).digest(), given)) throw new Error('not signed');
  const receipts = receiptsIn(JSON.parse(bytes.toString()), Date.now()) ?? [];
  await queue.delivered(receipts.flatMap(one => (one.kind === 'delivered' ? one.mids : [])));
  return '{}';
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

class Sending {
  readonly #queue: Queue;
  readonly #calls: GraphCalls;
  readonly #keys = { token, appSecret };
  readonly #timer = setInterval(() => this.wake(), lookEveryMs);
  #sending = 0;
  #sent: Sent[] = [];
  #isLooking = false;
  #isClosed = false;

  constructor(queue: Queue, calls: GraphCalls) {
    this.#queue = queue;
    this.#calls = calls;
  }

  wake(): void {
    if (!this.#isLooking && !this.#isClosed) void this.#look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    while (this.#sending > 0 || this.#isLooking) await new Promise(resolve => setTimeout(resolve, 5));
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const sent = this.#sent;
    this.#sent = [];
    if (sent.length > 0) await this.#queue.sent(sent);
    const room = this.#isClosed ? 0 : sendingMax - this.#sending;
    const jobs = room > 0 ? await this.#queue.take(room) : [];
    for (const job of jobs) void this.#send(job);
    this.#isLooking = false;
    if (this.#sent.length > 0) this.wake();
  }

  async #send({ id, page, body }: Job): Promise<void> {
    this.#sending++;
    // Whatever went wrong: again.
    for (let mid: string | undefined; mid === undefined; ) {
      const answer = await this.#calls.call({ method: 'POST', path: `${page}/messages`, keys: this.#keys, body });
      const outcome = outcomeOf(answer);
      if (outcome.kind !== 'sent') continue;
      mid = outcome.mid;
      this.#sent.push({ id, mid });
    }
    this.#sending--;
    this.wake();
  }
}

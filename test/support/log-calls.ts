import type { Log, LogSubmission } from '../../src/client/types.ts';

/** What came back for one request. */
export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string };

export type RecordAnswer = {
  readonly recorded: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly rejected: readonly { readonly index: number; readonly messageId?: string }[];
  readonly rejectedCount?: number;
};

export type ErrorAnswer = {
  readonly errorCode: string;
  readonly description: string;
  readonly action: string;
  readonly violations: readonly { readonly property: string; readonly violation: string }[];
  readonly resources: readonly unknown[];
};

export type ShownHistory = Log & {
  readonly timeline: readonly { readonly at: string; readonly status: { readonly name: string } }[];
};

export const logsPath = '/messenger/1/logs';

/** Calls a log as any program would, with one key. */
export class LogCalls {
  readonly address: string;
  readonly authorization: string;

  constructor(address: string, authorization: string) {
    this.address = address;
    this.authorization = authorization;
  }

  async call(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', this.authorization);
    const response = await fetch(this.address + path, { ...init, headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  postJson(records: readonly LogSubmission[]): Promise<Answer> {
    return this.postText(JSON.stringify({ results: records }), 'application/json');
  }

  postNdjson(records: readonly LogSubmission[]): Promise<Answer> {
    return this.postText(records.map(one => `${JSON.stringify(one)}\n`).join(''), 'application/x-ndjson');
  }

  postText(body: string, type: string): Promise<Answer> {
    return this.call(logsPath, { method: 'POST', headers: { 'content-type': type }, body });
  }

  /** Records, and throws when anything was refused. */
  async record(records: readonly LogSubmission[]): Promise<RecordAnswer> {
    const answer = await this.postNdjson(records);
    const outcome = recordAnswer(answer);
    if (outcome.rejected.length > 0) throw new Error(`rejected: ${answer.text.slice(0, 500)}`);
    return outcome;
  }

  async page(query: string): Promise<{ readonly logs: readonly Log[]; readonly nextCursor: string | undefined }> {
    const { status, text } = await this.call(`${logsPath}?${query}`);
    if (status !== 200) throw new Error(`${query} was answered ${status}: ${text}`);
    const page: { results: readonly Log[]; cursor?: { nextCursor?: string } } = JSON.parse(text);
    return { logs: page.results, nextCursor: page.cursor?.nextCursor };
  }

  /** Every log that matches, by a walk from page to page. */
  async walk(query = '', limit = 1000): Promise<readonly Log[]> {
    const logs: Log[] = [];
    for (let cursor: string | undefined; ; ) {
      const from = cursor === undefined ? 'useCursor=true' : `cursor=${encodeURIComponent(cursor)}`;
      const page = await this.page([`limit=${limit}`, from, query].filter(part => part !== '').join('&'));
      logs.push(...page.logs);
      cursor = page.nextCursor;
      if (cursor === undefined) return logs;
    }
  }

  async history(messageId: string): Promise<ShownHistory | undefined> {
    const { status, text } = await this.call(`/messenger/1/messages/${encodeURIComponent(messageId)}`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`message ${messageId} was answered ${status}: ${text}`);
    const history: ShownHistory = JSON.parse(text);
    return history;
  }
}

export function recordAnswer({ status, text }: Answer): RecordAnswer {
  if (status !== 200) throw new Error(`recording was answered ${status}: ${text.slice(0, 500)}`);
  const outcome: RecordAnswer = JSON.parse(text);
  return outcome;
}

/** The contract's error body, or a throw when it is not one. */
export function errorAnswer({ status, text }: Answer): ErrorAnswer {
  const body: ErrorAnswer = JSON.parse(text);
  const keys = Object.keys(body).sort().join();
  if (keys !== 'action,description,errorCode,resources,violations' || body.errorCode !== `E${status}`)
    throw new Error(`not an error body of ${status}: ${text.slice(0, 500)}`);
  return body;
}

/** A numbered message; what it holds can be told from its number. */
export function numbered(number: number, fields: Partial<LogSubmission> = {}): LogSubmission {
  return {
    messageId: `message-${number}`,
    sender: 'page-1',
    destination: `person-${number % 997}`,
    content: { type: 'TEXT', text: `text of message-${number}` },
    ...fields,
  };
}

export function numberedFrom(from: number, count: number, fields: Partial<LogSubmission> = {}): LogSubmission[] {
  return Array.from({ length: count }, (_, i) => numbered(from + i, fields));
}

/** Resolves once `condition` holds; rejects when it does not for a minute. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`it never came that ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}

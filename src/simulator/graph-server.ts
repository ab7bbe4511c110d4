import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ControlDesk } from './desk.ts';
import type { GraphError } from './destinations.ts';
import { excessOf, type Fields, fieldsOf, formFields, isMultipart, partFields, textBytesMax } from './form.ts';
import type { Reply, SimulatedMeta } from './meta.ts';
import type { PageAccess } from './page-access.ts';

const bodyBytesMax = 4 * 1024 * 1024;
const newestVersion = 26;
/** Longer than any client waits, so that of the two it is the client that closes; each answer tells it. */
const keepAliveMs = 65_000;

type Target = { readonly page: string; readonly edge: string };

/**
 * A simulated Meta as the HTTP server that programs written for Graph call: `POST /v25.0/{page}/messages` and what else
 * they need of a page. `/emulator/…` steers it.
 */
export function graphServer(meta: SimulatedMeta, access: PageAccess, onReset: () => void): Server {
  const desk = new ControlDesk(meta, token => access.revoke(token));
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    answer(request, response).catch(error => {
      if (!response.headersSent) response.writeHead(500);
      response.end(error instanceof Error ? error.message : '');
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', query = ''] = splitAt(request.url ?? '/', '?');
    const body = await bodyOf(request);
    if (body === undefined) return sendJson(response, 413, { error: errorBody({ code: 1, message: 'Too large' }) });
    const [, emulator, action = ''] = path.split('/');
    if (emulator === 'emulator') return steer(request.method ?? 'GET', action, body, response);
    const target = targetOf(path);
    if ('code' in target) return refuse(response, target);
    const type = request.headers['content-type'] ?? '';
    const excess = excessOf(body, type) ?? excessOf(query, '');
    if (excess !== undefined) return refuse(response, { code: 100, message: `(#100) ${excess}` });
    const sent = isMultipart(type) ? await partFields(body, type) : fieldsOf(body, type);
    if (sent === undefined)
      return refuse(response, { code: 100, message: '(#100) The body is neither JSON nor a form' });
    const fields = { ...formFields(new URLSearchParams(query)), ...sent };
    const page = access.pageFor(target.page, fields, request.headers.authorization, meta.clock.now());
    if (typeof page !== 'string') return refuse(response, page);
    const { method } = request;
    if (method === 'POST' && target.edge === 'messages') return reply(response, meta, meta.send(page, fields));
    if (method === 'POST' && target.edge === 'subscribed_apps') return sendJson(response, 200, { success: true });
    if (method === 'GET' && target.edge === '') return sendJson(response, 200, { id: page, name: `Page ${page}` });
    return refuse(response, { code: 100, message: `Unsupported ${method?.toLowerCase()} request.` });
  }

  function steer(method: string, action: string, body: string, response: ServerResponse): void {
    if (method === 'POST' && action === 'reset') {
      meta.reset();
      access.reset();
      onReset();
      return sendJson(response, 200, { status: 'reset' });
    }
    if (excessOf(body, 'application/json') !== undefined)
      return sendJson(response, 413, { property: 'body', violation: `may have ${textBytesMax} bytes` });
    const fields: Fields | undefined = fieldsOf(body, 'application/json');
    const answered = fields === undefined ? undefined : desk.handle(method, action, fields);
    if (answered === undefined) return sendJson(response, 404, { property: 'path', violation: 'is not known' });
    return sendJson(response, answered.status, answered.body);
  }

  return server;
}

function reply(response: ServerResponse, { clock, terms }: SimulatedMeta, sent: Reply): void {
  const act = () => {
    // As when a connection breaks on its way back.
    if (sent.kind !== 'answer') response.socket?.destroy();
    else sendJson(response, sent.httpStatus, sent.body, sent.headers);
  };
  if (terms.answerMs === 0) act();
  else clock.set(clock.now() + terms.answerMs, act);
}

/** What stands before a mark and behind it. */
function splitAt(text: string, mark: string): readonly string[] {
  const index = text.indexOf(mark);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

/** `/v25.0/{page}/messages`, with or without a version. */
function targetOf(path: string): Target | GraphError {
  const parts = path.split('/').filter(part => part !== '');
  const version = /^v(\d+)\.\d+$/.exec(parts[0] ?? '')?.[1];
  if (version !== undefined) parts.shift();
  if ((version !== undefined && Number(version) > newestVersion) || parts.length === 0 || parts.length > 2)
    return { code: 2500, message: `Unknown path components: ${path}` };
  return { page: parts[0] ?? '', edge: parts[1] ?? '' };
}

function refuse(response: ServerResponse, error: GraphError): void {
  sendJson(response, error.httpStatus ?? 400, { error: errorBody(error) });
}

function errorBody({ code, subcode, message }: GraphError): object {
  const type = code === 100 ? 'GraphMethodException' : 'OAuthException';
  return { message, type, code, ...(subcode !== undefined && { error_subcode: subcode }), fbtrace_id: 'A0000000000' };
}

function sendJson(response: ServerResponse, status: number, body: object, headers = {}): void {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  response.writeHead(status, {
    'content-type': 'application/json; charset=UTF-8',
    'content-length': length,
    ...headers,
  });
  response.end(text);
}

function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= bodyBytesMax) parts.push(part);
    });
    request.on('end', () => resolve(bytes <= bodyBytesMax ? Buffer.concat(parts).toString() : undefined));
    request.on('error', reject);
  });
}

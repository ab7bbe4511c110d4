import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/graph/outcomes.ts';
import { kept } from '../../src/sender/graph-connection.ts';
import { behaviours } from '../../src/simulator/destinations.ts';
import { type GraphTerms, openGraph, type RunningGraph } from '../../src/simulator/open.ts';
import { defaultTerms, type SimulatorTerms } from '../../src/simulator/terms.ts';

const appSecret = 'app secret';
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function graph(terms: Partial<GraphTerms> = {}, simulator: Partial<SimulatorTerms> = {}): Promise<RunningGraph> {
  const running = await openGraph({
    host: '127.0.0.1',
    port: 0,
    access: { appSecret, requiresProof: false },
    simulator: { ...defaultTerms, ...simulator },
    note: () => {},
    ...terms,
  });
  closing.push(running.close);
  return running;
}

const bearer = { authorization: 'Bearer token-1' };
const json = { 'content-type': 'application/json' };
const message = (id: string, text = 'Hello') => ({
  recipient: { id },
  messaging_type: 'RESPONSE',
  message: { text, metadata: `to ${id}` },
});

async function send(
  url: string,
  body: object,
  headers: Record<string, string> = bearer,
  path = '/v25.0/page-1/messages',
) {
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: JSON.stringify(body),
  });
  const parsed: { readonly error?: { readonly code: number } } = JSON.parse(await answer.text());
  return { status: answer.status, body: parsed };
}

type Call = { readonly headers: Record<string, unknown>; readonly body: string };

/** A webhook that answers with these statuses in turn, then with 200; its calls come as they are waited for. */
async function webhook(...statuses: readonly number[]) {
  const calls: Call[] = [];
  const answers = [...statuses];
  let wake = () => {};
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    calls.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
    response.writeHead(answers.shift() ?? 200).end();
    wake();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise(resolve => server.close(resolve)));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const events = () =>
    calls.flatMap(one => JSON.parse(one.body).entry.flatMap((entry: { messaging: object[] }) => entry.messaging));
  return {
    url: `http://127.0.0.1:${address.port}/webhooks/meta`,
    calls,
    events,
    until: async (condition: () => boolean) => {
      while (!condition()) await new Promise<void>(resolve => (wake = resolve));
    },
  };
}

describe('the simulated Graph', () => {
  it('JSON and forms; a token in the header, the query or the body → a message', async () => {
    const { url, meta } = await graph();
    const sent = await send(url, message('p1'));
    expect(sent).toMatchObject({ status: 200, body: { recipient_id: 'p1', message_id: expect.stringMatching(/^m_/) } });
    expect((await send(url, { ...message('p2'), access_token: 't' }, {})).status).toBe(200);
    expect((await send(url, message('p3'), {}, '/v2.6/me/messages?access_token=t')).status).toBe(200);
    const forms = [
      'recipient={"id":"p4"}&message={"text":"a"}&access_token=t',
      'recipient[id]=p5&message[text]=a&access_token=t',
    ];
    for (const body of forms) {
      const answer = await fetch(`${url}/page-1/messages`, { method: 'POST', body: new URLSearchParams(body) });
      expect(answer.status).toBe(200);
    }
    expect(meta.sent().map(one => one.psid)).toEqual(['p1', 'p2', 'p3', 'p4', 'p5']);
  });

  it('no token, a revoked one, another page’s, a wrong proof, no such version → refused as Graph does', async () => {
    const { url } = await graph({ access: { appSecret, requiresProof: true, tokens: { 'token-1': 'page-1' } } });
    const proof = createHmac('sha256', appSecret).update('token-1').digest('hex');
    const to = (query: string, page = 'page-1') => `/v25.0/${page}/messages?${query}`;
    const code = async (headers: Record<string, string>, path: string) =>
      (await send(url, message('p'), headers, path)).body.error?.code;
    expect(await code({}, to(''))).toBe(2500);
    expect(await code({ authorization: 'Bearer other' }, to(''))).toBe(190);
    expect(await code(bearer, to(''))).toBe(100);
    expect(await code(bearer, to(`appsecret_proof=${proof.replace(/^./, 'z')}`))).toBe(100);
    expect(await code(bearer, to(`appsecret_proof=${proof}`, 'page-2'))).toBe(100);
    expect(await code(bearer, `/v99.0/page-1/messages?appsecret_proof=${proof}`)).toBe(2500);
    expect(await code(bearer, to(`appsecret_proof=${proof}`))).toBeUndefined();
    expect(await code(bearer, `/v25.0/me/messages?appsecret_proof=${proof}`)).toBeUndefined();
    await fetch(`${url}/emulator/faults`, { method: 'POST', body: JSON.stringify({ revokedToken: 'token-1' }) });
    expect(await code(bearer, to(`appsecret_proof=${proof}`))).toBe(190);
  });

  it('every destination of the table → answered so that the log comes to what the table says', async () => {
    const { url } = await graph();
    for (const { name, outcome, connection, refusal } of behaviours) {
      const attempt = async () => {
        try {
          const { status, body } = await send(url, message(`${name}+7`));
          return outcomeOf({ kind: 'response', httpStatus: status, text: JSON.stringify(body), headers: {} });
        } catch {
          return { kind: 'lost' };
        }
      };
      if (connection !== undefined) expect((await attempt()).kind, name).toBe('lost');
      else if (refusal?.times !== undefined) {
        for (let times = 0; times < refusal.times; times++) expect((await attempt()).kind, name).toBe('failed');
        expect((await attempt()).kind, name).toBe('sent');
      } else {
        const answered = await attempt();
        if (refusal === undefined) expect(answered.kind, name).toBe('sent');
        else expect(answered, name).toMatchObject({ kind: 'failed', error: { name: /EC_\w+/.exec(outcome)?.[0] } });
      }
    }
  });

  it('what Meta alone refuses of a message → refused', async () => {
    const { url } = await graph();
    const button = { type: 'postback', title: 'Yes', payload: 'Y' };
    const template = (payload: object) => ({
      recipient: { id: 'p' },
      message: { attachment: { type: 'template', payload } },
    });
    const bodies = [
      { recipient: { id: 'p' }, message: { text: '' } },
      {
        recipient: { id: 'p' },
        message: { text: 'x', quick_replies: Array.from({ length: 14 }, () => ({ content_type: 'user_email' })) },
      },
      { recipient: { id: 'p' }, message: { text: 'x' }, sender_action: 'typing_on' },
      template({ template_type: 'button', text: 'x'.repeat(641), buttons: [button] }),
      template({ template_type: 'button', text: 'x', buttons: [button, button, button, button] }),
      template({ template_type: 'button', text: 'x', buttons: [{ ...button, title: 'x'.repeat(21) }] }),
      template({
        template_type: 'button',
        text: 'x',
        buttons: [{ type: 'phone_number', title: 'Call', payload: '385' }],
      }),
      template({ template_type: 'generic', elements: [{ title: 'only' }] }),
      template({ template_type: 'generic', elements: [{ title: '', subtitle: 'only' }] }),
      template({ template_type: 'button', text: '', buttons: [button] }),
      template({ template_type: 'notification_messages', payload: '' }),
      template({ template_type: 'notification_messages', elements: [{ title: 'News?', payload: '' }] }),
      ...[
        { title: '', payload: 'p' },
        { title: 't', payload: '' },
      ].map(reply => ({
        recipient: { id: 'p' },
        message: { text: 'x', quick_replies: [{ content_type: 'text', ...reply }] },
      })),
      ...['ACCOUNT_UPDATE', 'CONFIRMED_EVENT_UPDATE', 'POST_PURCHASE_UPDATE', undefined].map(tag => ({
        recipient: { id: 'p' },
        messaging_type: 'MESSAGE_TAG',
        tag,
        message: { text: 'x' },
      })),
      { recipient: { id: 'p' }, messaging_type: 'ANSWER', message: { text: 'x' } },
      {},
    ];
    for (const body of bodies)
      expect((await send(url, body)).body, JSON.stringify(body)).toMatchObject({ error: { code: 100 } });
  });
});

describe('its webhooks', () => {
  it('a message → echo, delivery and read, signed over the bytes that were sent', async () => {
    const hook = await webhook();
    const { url, meta } = await graph({ webhookUrl: hook.url });
    await send(url, message('seen', 'žäö/😀'));
    meta.clock.advance(60_000);
    await hook.until(() => hook.events().length >= 3);
    const [sent] = meta.sent();
    const mid = sent?.mid;
    expect(hook.events()).toEqual([
      {
        sender: { id: 'page-1' },
        recipient: { id: 'seen' },
        timestamp: sent?.at,
        message: { is_echo: true, app_id: expect.any(Number), mid, text: 'žäö/😀', metadata: 'to seen' },
      },
      {
        sender: { id: 'seen' },
        recipient: { id: 'page-1' },
        timestamp: sent?.deliveredAt,
        delivery: { mids: [mid], watermark: sent?.at },
      },
      { sender: { id: 'seen' }, recipient: { id: 'page-1' }, timestamp: sent?.seenAt, read: { watermark: sent?.at } },
    ]);
    for (const { headers, body } of hook.calls) {
      expect(body).toMatch(/^[\x20-\x7e]*$/);
      const sign = (algorithm: string) => createHmac(algorithm, appSecret).update(body).digest('hex');
      expect(headers['x-hub-signature-256']).toBe(`sha256=${sign('sha256')}`);
      expect(headers['x-hub-signature']).toBe(`sha1=${sign('sha1')}`);
    }
  });

  it('an attachment → echoed in a list, as Meta tells it', async () => {
    const hook = await webhook();
    const { url, meta } = await graph({ webhookUrl: hook.url });
    const image = { type: 'image', payload: { url: 'https://a/b.png', is_reusable: false } };
    await send(url, { recipient: { id: 'no-receipt' }, message: { attachment: image, metadata: 'm' } });
    meta.clock.advance(1000);
    await hook.until(() => hook.events().length >= 1);
    const attachments = [{ type: 'image', payload: { url: 'https://a/b.png' } }];
    expect(hook.events()).toMatchObject([{ message: { is_echo: true, metadata: 'm', attachments } }]);
    expect(hook.events()).not.toMatchObject([{ message: { attachment: image } }]);
  });

  it('a webhook that fails → called again with the same', async () => {
    const hook = await webhook(500, 503);
    const { url, meta } = await graph({ webhookUrl: hook.url }, { mix: { 'no-receipt': 1 } });
    await send(url, message('anybody'));
    meta.clock.advance(1000);
    await hook.until(() => hook.calls.length >= 3);
    expect(new Set(hook.calls.map(one => one.body)).size).toBe(1);
  });

  it('all receipts twice and late → each comes twice, and says the same', async () => {
    const hook = await webhook();
    const { url, meta } = await graph(
      { webhookUrl: hook.url },
      { duplicateShare: 1, reorderShare: 1, mix: { delivered: 1 } },
    );
    await send(url, message('anybody'));
    meta.clock.advance(60_000);
    await hook.until(() => hook.events().length >= 4);
    expect(new Set(hook.events().map(one => JSON.stringify(one))).size).toBe(2);
  });

  it('the same seed and calls → the same outcomes, under ids that did not come before', async () => {
    const runs = [];
    const ids: string[] = [];
    for (let run = 0; run < 2; run++) {
      const { url, meta } = await graph({}, { seed: 7, mix: { seen: 1, blocked: 1, 'no-receipt': 1 } });
      const statuses = [];
      for (let index = 0; index < 20; index++) statuses.push((await send(url, message(`p${index}`))).status);
      const sent = meta.sent();
      runs.push({ statuses, behaviours: sent.map(one => one.behaviour) });
      ids.push(...sent.map(one => one.mid));
      // What chance gives may come twice among very many; a number of their own does not.
      expect(new Set(sent.map(one => one.mid.slice(-8))).size).toBe(sent.length);
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(new Set(runs[0]?.behaviours).size).toBe(2);
    // A program that is tested may have kept what it was told before the simulator was started anew.
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('receipts on demand, a clock put forward, a reset → as asked', async () => {
    const hook = await webhook();
    const { url, meta } = await graph({ webhookUrl: hook.url });
    await send(url, message('no-receipt'));
    const tell = (action: string, body: object) =>
      fetch(`${url}/emulator/${action}`, { method: 'POST', body: JSON.stringify(body) }).then(answer => answer.status);
    expect(await tell('receipts', { messageId: 'to no-receipt', kind: 'seen' })).toBe(200);
    expect(await tell('receipts', { messageId: 'nobody' })).toBe(404);
    expect(await tell('receipts', { messageId: 'to no-receipt', kind: 'eaten' })).toBe(400);
    const before = meta.clock.now();
    expect(await tell('clock', { advance: '2h' })).toBe(200);
    expect(meta.clock.now() - before).toBeGreaterThanOrEqual(7_200_000);
    expect(await tell('clock', { advance: 7 })).toBe(400);
    await hook.until(() => hook.events().some(one => 'read' in one));
    expect(await tell('reset', {})).toBe(200);
    expect(meta.sent()).toEqual([]);
    expect(await tell('nothing', {})).toBe(404);
  });

  it('connections → kept longer than what calls Graph keeps one, and said so', async () => {
    const { url } = await graph();
    for (const body of [message('anybody'), { recipient: {} }]) {
      const { headers } = await fetch(`${url}/v25.0/page-1/messages`, {
        method: 'POST',
        headers: { ...bearer, ...json },
        body: JSON.stringify(body),
      });
      const [, seconds] = /^timeout=(\d+)$/.exec(headers.get('keep-alive') ?? '') ?? [];
      expect(1000 * Number(seconds)).toBeGreaterThan(kept.idleMax + kept.sooner);
    }
  });
});

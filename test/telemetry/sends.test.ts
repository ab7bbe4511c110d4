import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { GraphCalls } from '../../src/sender/graph-calls.ts';
import { tracedCarrier } from '../../src/telemetry/traced.ts';
import { Played, text } from '../sender/played.ts';
import { texts } from '../support/collector.ts';
import { TestServer } from '../support/http-server.ts';
import { receiver } from '../support/receiver.ts';
import { opened } from './open.ts';

const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const path = '/messenger/1/messages';
const client = 3;

test('messages asked for in traces → sends apart from them, each linked to its own request, and Graph is told of the send', async () => {
  const { tracing, telemetry, collector } = await opened();
  const heard: { readonly id: string; readonly traceparent: unknown }[] = [];
  let refusals = 0;
  const port = await receiver(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const id = JSON.parse(body).message?.metadata;
    heard.push({ id, traceparent: request.headers.traceparent });
    // Graph takes the second try of the one, and the first of all others.
    const isRefused = id === 'again' && refusals++ === 0;
    response.writeHead(isRefused ? 503 : 200, { 'content-type': 'application/json' });
    response.end(isRefused ? '{"error":{"code":2,"is_transient":true}}' : `{"message_id":"mid of ${id}"}`);
  });
  const calls = new GraphCalls({ url: `http://127.0.0.1:${port}`, version: 'v25.0' }, () => tracing.headers());
  onTestFinished(() => calls.close());
  const keys = { token: 'a-token', appSecret: 'a-secret' };
  const carrier = tracedCarrier(
    {
      outlivesProcess: true,
      send: (_account, { id }, body) =>
        calls.call({ method: 'POST', path: `${id}/messages`, keys, body: JSON.stringify(body) }),
    },
    tracing,
  );
  const played = await Played.open({}, { carrier: () => carrier });
  const server = new TestServer({ tracing, sending: played.sender, clock: played.emulator.clock.now });
  onTestFinished(() => server.app.close());
  const post = (messages: readonly object[], headers = {}) =>
    server.call(path, {
      method: 'POST',
      payload: JSON.stringify({ messages }),
      headers: { authorization: 'App one', 'content-type': 'application/json', ...headers },
    });
  await post([text('a', 'first'), text('b', 'again')], { traceparent: `00-${traceId}-${spanId}-01` });
  await post([text('c', 'other'), { ...text('d'), content: { type: 'SENDER_ACTION', senderAction: 'TYPING_ON' } }]);
  await played.send(text('e', 'unasked'));
  for (let step = 0; step < 400 && heard.length < 6; step++) {
    await played.pass(60_000);
    await wait(5);
  }
  await telemetry.close();

  expect(heard.map(one => one.id)).toHaveLength(6);
  const [asking, other] = collector.spans.filter(({ name }) => name === `POST ${path}`);
  const sends = collector.spans.filter(({ name }) => name === 'POST /{page}/messages');
  expect(asking).toMatchObject({ traceId, parentSpanId: spanId });
  expect(sends.map(({ kind, parentSpanId }) => ({ kind, parentSpanId }))).toEqual(
    sends.map(() => ({ kind: client, parentSpanId: undefined })),
  );
  // By what Graph was told each send is known, and each is a trace of its own.
  const sendOf = new Map(sends.map(send => [`00-${send.traceId}-${send.spanId}-01`, send]));
  const linked = heard.map(({ id, traceparent }) => {
    const { links = [], attributes } = sendOf.get(String(traceparent)) ?? {};
    const asked = links.map(one => `${one.traceId} ${one.spanId}`).join();
    return `${id} ${texts(attributes ?? [])['http.response.status_code']} ${asked}`.trim();
  });
  const [byFirst, byOther] = [asking, other].map(span => `${span?.traceId} ${span?.spanId}`);
  expect(new Set(sends.map(send => send.traceId)).size).toBe(6);
  expect(linked.toSorted()).toEqual(
    [
      `again 200 ${byFirst}`,
      `again 503 ${byFirst}`,
      `first 200 ${byFirst}`,
      `other 200 ${byOther}`,
      'undefined 200',
      'unasked 200',
    ].toSorted(),
  );
  // Nothing of messages or pages is told.
  expect(collector.calls.map(one => one.body).join()).not.toMatch(/page-1|first|Hello/);
});

import { Readable } from 'node:stream';
import { restrict } from '../../domain/filter.ts';
import { parseStreamQuery } from '../../wire/query/filter-query.ts';
import { type Call, eventStreamType, type Route, rawQuery, sound } from '../route.ts';
import { type Streams, streamScope } from '../stream/streams.ts';

/** `GET /messenger/1/logs/stream` */
export function streamRoute(streams: Streams): Route {
  return {
    method: 'GET',
    path: '/messenger/1/logs/stream',
    access: { scope: streamScope, budget: 'reads' },
    isWatched: true,
    answer: (call: Call) => stream(call, streams),
  };
}

async function stream({ principal, request, reply }: Call, streams: Streams): Promise<Readable> {
  const query = sound(parseStreamQuery(rawQuery(request)));
  const { account, binding } = principal;
  const header = lastEventIdOf(request.headers['last-event-id']);
  const lastEventId = header ?? query.lastEventId;
  const name = header === undefined ? 'lastEventId' : 'Last-Event-ID';
  const after = lastEventId === undefined ? undefined : streams.placeOf(lastEventId, account.id, name);
  const filter = restrict(query.filter, binding);
  const who = { account: account.id, binding, filter, authorization: request.headers.authorization ?? '' };
  const events = request.method === 'HEAD' ? Readable.from([]) : await streams.open(who, reply.raw, after);
  // The connection has no use after a stream, and proxies are told to hand on what comes.
  reply.type(eventStreamType).header('connection', 'close').header('x-accel-buffering', 'no');
  return events;
}

/** A listener that has no id yet may send an empty one. */
function lastEventIdOf(header: string | readonly string[] | undefined): string | undefined {
  const id = typeof header === 'object' ? header.join() : header;
  return id === '' ? undefined : id;
}

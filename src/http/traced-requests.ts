import type { FastifyInstance } from 'fastify';
import type { Tracing } from '../tracing.ts';

/**
 * A span for each request, from its head to the end of its answer or of its connection; its lines in the log name it. To be
 * called before any other hook is added, so that all they do is part of it.
 */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', (request, reply, done) => {
    const span = tracing.request(request.method, request.headers);
    request.log = request.log.child(span.ids);
    reply.log = request.log;
    reply.raw.once('close', () => {
      const { url: route } = request.routeOptions;
      span.end({
        // What a proxy says may be anything.
        scheme: request.protocol === 'https' ? 'https' : 'http',
        ...(route !== undefined && { route }),
        status: reply.statusCode,
      });
    });
    span.run(done);
  });
}

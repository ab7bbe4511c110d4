import type { IncomingHttpHeaders } from 'node:http';
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { Outcome, Part, RequestSpan, TracePlace, Tracing } from '../tracing.ts';

/** Those of RFC 9110, and PATCH: the names of spans are to be few. */
const methods: readonly string[] = 'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE'.split(' ');

/**
 * Spans, by the semantic conventions for HTTP where they are of that. What those want and may tell of people is left out: paths and
 * queries, addresses and programs of callers.
 */
export class Spans implements Tracing {
  readonly #tracer: Tracer;
  readonly #contexts = new AsyncLocalStorageContextManager().enable();
  readonly #propagator = new W3CTraceContextPropagator();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  within<T>(part: Part, work: () => Promise<T>, outcome: (result: T) => Outcome = () => ({})): Promise<T> {
    const { name, kind, isApart = false, asked, attributes = {} } = part;
    const parent = isApart ? ROOT_CONTEXT : this.#contexts.active();
    const spanKind = kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL;
    const links = asked === undefined ? [] : [{ context: asked }];
    const span = this.#tracer.startSpan(name, { kind: spanKind, attributes, links }, parent);
    return this.#contexts.with(trace.setSpan(parent, span), async () => {
      try {
        const result = await work();
        end(span, outcome(result));
        return result;
      } catch (error) {
        end(span, { failure: error instanceof Error ? error.name : typeof error });
        throw error;
      }
    });
  }

  request(method: string, headers: IncomingHttpHeaders): RequestSpan {
    const parent = this.#propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    const isKnown = methods.includes(method);
    const attributes = {
      'http.request.method': isKnown ? method : '_OTHER',
      ...(!isKnown && { 'http.request.method_original': method }),
    };
    const name = isKnown ? method : 'HTTP';
    const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    return requestSpan(span, name, work => this.#contexts.with(trace.setSpan(parent, span), work));
  }

  place(): TracePlace | undefined {
    return trace.getSpanContext(this.#contexts.active());
  }

  headers(): Readonly<Record<string, string>> {
    const headers: Record<string, string> = {};
    const active: Context = this.#contexts.active();
    this.#propagator.inject(active, headers, defaultTextMapSetter);
    return headers;
  }

  close(): void {
    this.#contexts.disable();
  }
}

function requestSpan(span: Span, name: string, run: RequestSpan['run']): RequestSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    ids: { trace_id: traceId, span_id: spanId },
    run,
    end({ scheme, route, status }) {
      if (route !== undefined) span.updateName(`${name} ${route}`);
      end(span, {
        ...(status >= 500 && { failure: String(status) }),
        attributes: {
          'http.response.status_code': status,
          'url.scheme': scheme,
          ...(route !== undefined && { 'http.route': route }),
        },
      });
    },
  };
}

function end(span: Span, { failure, attributes = {} }: Outcome): void {
  span.setAttributes(attributes);
  if (failure !== undefined) span.setAttribute('error.type', failure).setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

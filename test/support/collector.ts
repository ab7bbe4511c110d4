import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Value = { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number };
type Pairs = readonly { readonly key: string; readonly value: Value }[];
type Scoped<T> = { readonly scope: { readonly name: string; readonly version: string } } & T;

/** As OTLP writes it in JSON. */
export type ToldSpan = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly events?: readonly unknown[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Pairs;
};
type Point = {
  readonly attributes: Pairs;
  readonly asDouble?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly bucketCounts?: readonly number[];
  readonly explicitBounds?: readonly number[];
};
export type ToldMetric = {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
};
type TraceBody = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scopeSpans: readonly Scoped<{ readonly spans: readonly ToldSpan[] }>[];
  }[];
};
type MetricBody = {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scopeMetrics: readonly Scoped<{ readonly metrics: readonly ToldMetric[] }>[];
  }[];
};

export const texts = (pairs: Pairs) =>
  Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  );

type Call = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** A collector of OpenTelemetry that takes OTLP over HTTP, in JSON. */
export class Collector implements AsyncDisposable {
  readonly calls: Call[] = [];
  /** What it answers, to a call of this number; it never does where that is nothing. */
  answer: (call: number) => { readonly status: number } | undefined = () => ({ status: 200 });
  readonly #unanswered: ServerResponse[] = [];
  readonly #server = createServer(async (request, response) => {
    const body = await text(request);
    const answer = this.answer(this.calls.length);
    this.calls.push({ path: request.url ?? '', headers: request.headers, body });
    if (answer === undefined) this.#unanswered.push(response);
    else response.writeHead(answer.status, { 'content-type': 'application/json' }).end('{}');
  });

  /** Where it listens. */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers what it left unanswered. */
  release(): void {
    for (const response of this.#unanswered.splice(0)) response.end('{}');
  }

  get spans(): readonly ToldSpan[] {
    return this.#bodies<TraceBody>('/v1/traces').flatMap(body =>
      body.resourceSpans.flatMap(one => one.scopeSpans.flatMap(({ spans }) => spans)),
    );
  }

  get metrics(): readonly ToldMetric[] {
    return this.#bodies<MetricBody>('/v1/metrics').flatMap(body =>
      body.resourceMetrics.flatMap(one => one.scopeMetrics.flatMap(({ metrics }) => metrics)),
    );
  }

  /** Of each call: what all of it is said to be of. */
  get resources(): readonly ReturnType<typeof texts>[] {
    return [
      ...this.#bodies<TraceBody>('/v1/traces').flatMap(body => body.resourceSpans),
      ...this.#bodies<MetricBody>('/v1/metrics').flatMap(body => body.resourceMetrics),
    ].map(({ resource }) => texts(resource.attributes));
  }

  #bodies<T>(path: string): readonly T[] {
    return this.calls.filter(call => call.path === path).map(({ body }) => JSON.parse(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

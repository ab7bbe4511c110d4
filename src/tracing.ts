import type { IncomingHttpHeaders } from 'node:http';

/** Nothing of what messages say, no ids of them, no numbers of people: whoever is told may keep it longer than the log does. */
export type Attributes = Readonly<Record<string, string | number>>;

/** Where in a trace something is done, as whoever traces has it. */
export type TracePlace = Readonly<Record<'traceId' | 'spanId', string>> & { readonly traceFlags: number };

/** A part of the work. */
export type Part = {
  readonly name: string;
  /** A call of another server. */
  readonly kind?: 'client';
  /** It is no part of what it was begun by: that may be any of many. */
  readonly isApart?: boolean;
  /** What it was asked for by, where it is no part of that. */
  readonly asked?: TracePlace;
  readonly attributes?: Attributes;
};

/** What came of a part. `failure` is of few kinds (`503`, `Unavailable`), never the words of an error. */
export type Outcome = { readonly failure?: string; readonly attributes?: Attributes };

/** Tells which part of the work took how long. There is none where nobody is told. */
export interface Tracing {
  /**
   * Does a part of the work; what is done for it is part of that in turn. It failed when it rejects, and when `outcome`
   * says so of what it resolves with.
   */
  within<T>(part: Part, work: () => Promise<T>, outcome?: (result: T) => Outcome): Promise<T>;
  /** Begins a request, as a part of what its caller says that it is part of (`traceparent`). */
  request(method: string, headers: IncomingHttpHeaders): RequestSpan;
  /** What the work that is done now is part of; `undefined` when of nothing that is told. */
  place(): TracePlace | undefined;
  /** Headers for a call of another server, which say what it is part of. */
  headers(): Readonly<Record<string, string>>;
}

export interface RequestSpan {
  /** For the lines of the program's log that tell of it. */
  readonly ids: { readonly trace_id: string; readonly span_id: string };
  /** Does what is part of the request. */
  run(work: () => void): void;
  /** `route` is absent where no route has the path. */
  end(outcome: { readonly scheme: string; readonly route?: string; readonly status: number }): void;
}

/** Does a part of the work, told of or not. */
export function within<T>(tracing: Tracing | undefined, part: Part, work: () => Promise<T>): Promise<T> {
  return tracing === undefined ? work() : tracing.within(part, work);
}

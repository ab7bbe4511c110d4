import type { Violation } from './types.ts';

/** The server answered, and not with what was asked for. `message` is one line for a person. */
export class SentlogError extends Error {
  /** Of HTTP. */
  readonly status: number;
  /** Of the API: `E400`, `E401`, …; the HTTP status after an `E` when the answer was not the API's own. */
  readonly errorCode: string;
  readonly description: string;
  readonly violations: readonly Violation[];
  /** When the server said how long to wait before asking again. */
  readonly retryAfterMs?: number;

  constructor(answer: {
    readonly status: number;
    readonly errorCode: string;
    readonly description: string;
    readonly violations: readonly Violation[];
    readonly retryAfterMs?: number | undefined;
  }) {
    super(`${answer.errorCode} ${answer.description}${shown(answer.violations)}`);
    this.name = 'SentlogError';
    this.status = answer.status;
    this.errorCode = answer.errorCode;
    this.description = answer.description;
    this.violations = answer.violations;
    if (answer.retryAfterMs !== undefined) this.retryAfterMs = answer.retryAfterMs;
  }
}

const violationsShownMax = 5;

function shown(violations: readonly Violation[]): string {
  const first = violations.slice(0, violationsShownMax).map(({ property, violation }) => `; ${property}: ${violation}`);
  const more = violations.length - first.length;
  return first.join('') + (more > 0 ? `; and ${more} more` : '');
}

/** No answer came, or not the whole of it. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConnectionError';
  }
}

/** The answer was a success, but not in the form the API has: most likely another server answered. */
export class UnexpectedAnswer extends Error {
  constructor(expected: string) {
    super(`the server did not answer with ${expected}: is it a sentlog server?`);
    this.name = 'UnexpectedAnswer';
  }
}

/** Reads an answer that is not a success. */
export async function errorOf(response: Response): Promise<SentlogError> {
  const body = parseJson(await response.text());
  const fields = isRecord(body) ? body : {};
  const { errorCode, description } = fields;
  return new SentlogError({
    status: response.status,
    errorCode: typeof errorCode === 'string' ? errorCode : `E${response.status}`,
    description: typeof description === 'string' ? description : response.statusText || 'no description',
    violations: violationsOf(fields.violations),
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  });
}

export function violationsOf(value: unknown): readonly Violation[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: unknown) => {
    if (!isRecord(one)) return [];
    const { property, violation } = one;
    return typeof property === 'string' && typeof violation === 'string' ? [{ property, violation }] : [];
  });
}

/** Seconds, or a date; `undefined` when it is neither. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

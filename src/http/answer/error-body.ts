import { XMLBuilder } from 'fast-xml-parser';
import type { FastifyRequest } from 'fastify';
import type { ApiError } from '../errors.ts';
import { errorAnswer } from '../errors.ts';
import { jsonType } from '../route.ts';

const xmlType = 'application/xml; charset=utf-8';
const xmlHead = '<?xml version="1.0" encoding="UTF-8"?>';
const builder = new XMLBuilder({});

/** Characters that no XML may hold, not even by their number. */
const notXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/**
 * An error as its caller reads it: JSON, or XML for one who asks for that. `described` are the paths of the API's
 * description; an error on one of them links to what is said of its call there.
 */
export function errorBodyFor(
  { code, status, violations, path: spokenOf }: ApiError,
  request: FastifyRequest,
  described: ReadonlyMap<string, string>,
): { readonly type: string; readonly text: string } {
  const path = request.routeOptions.url ?? spokenOf;
  const link = path === undefined ? undefined : described.get(path);
  // What failed on our side is not described there.
  const resources = link === undefined || status >= 500 ? [] : [{ name: 'API description', url: link }];
  const answer = errorAnswer(code, violations, resources);
  if (!asksForXml(request.headers.accept)) return { type: jsonType, text: JSON.stringify(answer) };
  return { type: xmlType, text: `${xmlHead}${builder.build({ ApiError: answer })}`.replace(notXml, '\ufffd') };
}

/** Whether XML is liked better than JSON. A browser that opens an address takes XML along; it does not ask for it. */
export function asksForXml(accept: string | undefined): boolean {
  const weights = new Map<string, number>();
  for (const part of accept?.split(',') ?? []) {
    const [type = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase());
    const weight = parameters.find(parameter => parameter.startsWith('q='));
    weights.set(type, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  if (weights.has('text/html')) return false;
  const xml = Math.max(weights.get('application/xml') ?? 0, weights.get('text/xml') ?? 0);
  return xml > (weights.get('application/json') ?? weights.get('application/*') ?? weights.get('*/*') ?? 0);
}

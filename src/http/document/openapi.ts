import Type, { IsSchema, type TSchema } from 'typebox';
import { limits } from '../../limits.ts';
import { historySchema, logSchema, outcomeSchema, pageSchema, summarySchema } from '../../wire/log-schemas.ts';
import {
  exportParameters,
  filterParameters,
  pageParameters,
  reportsParameters,
  streamParameters,
  summaryParameters,
} from '../../wire/query/query-schemas.ts';
import { submissionSchema, submissionsSchema } from '../../wire/record/record-schemas.ts';
import { deliveryReportsSchema, sendAnswerSchema, sendRequestSchema } from '../../wire/send/send-schemas.ts';
import type { ErrorCode } from '../errors.ts';
import { loginSchema, sessionSchema, tokenRequestSchema, tokenSchema } from './auth-schemas.ts';
import { managementPaths } from './management.ts';
import { emulatorPaths, webhookPaths } from './openapi-called.ts';
import {
  answer,
  errorResponses,
  errors,
  headers,
  jsonContent,
  mayRead,
  maySend,
  mayWrite,
  queryParameters,
  security,
  securitySchemes,
  whereProven,
  withBody,
} from './openapi-parts.ts';
import { SchemaWriter, type Use } from './openapi-schema.ts';
import { healthSchema, livenessSchema } from './operation-schemas.ts';

/** Where each path of the API is described, by the path as routes write it. */
export function describedPaths(): ReadonlyMap<string, string> {
  return new Map(
    Object.keys(paths()).map(path => [
      path.replaceAll(/\{(\w+)\}/g, ':$1'),
      `/openapi.json#/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}`,
    ]),
  );
}

/** The OpenAPI 3.1 document, made from the schemas that also check what comes in. */
export function openApiDocument(version: string): object {
  const writer = new SchemaWriter();
  return {
    openapi: '3.1.0',
    info: {
      title: 'sentlog',
      version,
      description: 'The outbound Messenger message log, behind the API of Infobip.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    tags,
    paths: written(paths(), writer, 'answered'),
    components: {
      responses: written(errorResponses(), writer, 'answered'),
      headers,
      securitySchemes: securitySchemes(),
      // Last: what refers to them has named them by now.
      schemas: Object.fromEntries(writer.components),
    },
  };
}

/** Without the name that may not stand beside another: what is described may be said together. */
const { sentBefore: _, ...filters } = filterParameters;

const tags = [
  { name: 'logs', description: 'Recording and reading.' },
  { name: 'messages', description: 'Sending.' },
  { name: 'auth', description: 'Sessions and tokens.' },
  { name: 'management', description: "An account's keys, users, mirrors and senders." },
  { name: 'emulator', description: 'Steers a Meta that is played, for tests.' },
  { name: 'webhooks', description: 'What Infobip and Meta call.' },
  { name: 'operation', description: 'For whoever runs the server.' },
];

/** Everything as it stands, but its schemas as the writer writes them. */
function written(part: unknown, writer: SchemaWriter, use: Use): unknown {
  if (Array.isArray(part)) return part.map(one => written(one, writer, 'in' in Object(one) ? 'parameter' : use));
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, value]: [string, unknown]) => {
      if (name === 'schema' && isSchema(value)) return [name, writer.write(value, use)];
      return [name, written(value, writer, name === 'requestBody' ? 'sent' : use)];
    }),
  );
}

function isSchema(value: unknown): value is TSchema {
  return IsSchema(value) && !('$ref' in value);
}

function paths(): Readonly<Record<string, object>> {
  return {
    '/messenger/1/logs': { get: readLogs(), post: recordLogs() },
    '/messenger/1/logs/export': { get: exportLogs() },
    '/messenger/1/logs/summary': { get: summarizeLogs() },
    '/messenger/1/logs/stream': { get: followLogs() },
    '/messenger/1/messages': { post: sendMessages() },
    '/messenger/1/reports': { get: fetchReports() },
    '/messenger/1/messages/{messageId}': { get: readMessage() },
    '/auth/1/oauth2/token': { post: issueToken() },
    '/auth/1/session': { post: logIn(), delete: logOut() },
    ...managementPaths({ answer, jsonContent, errors, security }),
    ...emulatorPaths(),
    ...webhookPaths(),
    ...operationPaths(),
  };
}

function readLogs(): object {
  return {
    operationId: 'getLogs',
    tags: ['logs'],
    summary: 'The newest messages that match',
    description: 'Newest `sentAt` first, a page at a time; all given filters must hold.',
    security: mayRead,
    parameters: [...queryParameters(filters), ...queryParameters(pageParameters)],
    responses: { 200: answer('A page of logs.', jsonContent(pageSchema)), ...errors(...whereProven) },
  };
}

function recordLogs(): object {
  return {
    operationId: 'recordLogs',
    tags: ['logs'],
    summary: 'Records messages, and reports on them',
    description:
      'What is answered with 200 is durable. A report may come before its message and waits for it. A bad record takes no other down. ' +
      `In JSON at most ${limits.jsonBodyBytesMax} bytes; NDJSON, a record a line, has no bound.`,
    security: mayWrite,
    requestBody: {
      required: true,
      content: { ...jsonContent(submissionsSchema), 'application/x-ndjson': { schema: submissionSchema } },
    },
    responses: {
      200: answer('What came of each record.', jsonContent(outcomeSchema)),
      ...errors(...whereProven, ...withBody),
    },
  };
}

function exportLogs(): object {
  const content = { 'application/x-ndjson': { schema: logSchema }, 'text/csv': { schema: { type: 'string' } } };
  return {
    operationId: 'exportLogs',
    tags: ['logs'],
    summary: 'All messages that match, streamed',
    description:
      'One log a line. In CSV, what a spreadsheet would run, in a cell or behind `;`, a tab or a line end in it, has an apostrophe before it.',
    security: mayRead,
    parameters: [...queryParameters(filters), ...queryParameters(exportParameters)],
    responses: { 200: answer('The logs.', content), ...errors(...whereProven) },
  };
}

function summarizeLogs(): object {
  return {
    operationId: 'getSummary',
    tags: ['logs'],
    summary: 'Figures of all messages that match',
    description: 'By their present state. Figures that could not be finished in time are absent.',
    security: mayRead,
    parameters: [...queryParameters(filters), ...queryParameters(summaryParameters)],
    responses: { 200: answer('The figures.', jsonContent(summarySchema)), ...errors(...whereProven) },
  };
}

const counted = (count: number) => count.toLocaleString('en');

function followLogs(): object {
  return {
    operationId: 'followLogs',
    tags: ['logs'],
    summary: 'Each log that matches, as it comes and changes',
    description:
      'When it is recorded, and again when a report changes it. Server-sent events: `log` with a new or changed log, `reset` when what ' +
      'came meanwhile cannot be told. Ids without data only move the place to go on from. ' +
      `An account has up to ${counted(limits.accountListenersMax)} streams, whose filters name up to ` +
      `${counted(limits.accountListenerValuesMax)} values together, else 429; all accounts have ` +
      `${counted(limits.listenersMax)} and ${counted(limits.listenersValuesMax)}, else 503.`,
    security: mayRead,
    parameters: [
      ...queryParameters(filters),
      ...queryParameters(streamParameters),
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'Goes on after this event.',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: answer('The events.', { 'text/event-stream': { schema: { type: 'string' } } }),
      ...errors(...whereProven),
    },
  };
}

function readMessage(): object {
  return {
    operationId: 'getMessage',
    tags: ['logs'],
    summary: 'One message with all that was reported of it',
    description: 'Its log, and its timeline, oldest first.',
    security: mayRead,
    parameters: [
      {
        name: 'messageId',
        in: 'path',
        required: true,
        description: 'The id it was recorded with.',
        schema: Type.String({ minLength: 1 }),
      },
    ],
    responses: { 200: answer('The message.', jsonContent(historySchema)), ...errors(...whereProven, 'E404') },
  };
}

function sendMessages(): object {
  return {
    operationId: 'sendMessages',
    tags: ['messages'],
    summary: 'Sends messages, where the server has a carrier',
    description: 'What is answered with 200 is accepted durably; the rest is in the log of each message.',
    security: maySend,
    requestBody: { required: true, content: jsonContent(sendRequestSchema) },
    responses: {
      200: answer('What became of each message at once.', jsonContent(sendAnswerSchema)),
      ...errors(...whereProven, ...withBody, 'E404'),
    },
  };
}

function fetchReports(): object {
  return {
    operationId: 'getReports',
    tags: ['messages'],
    summary: 'Final delivery reports of sent messages, each given once',
    description: 'The oldest first; what was given is not given again.',
    security: maySend,
    parameters: queryParameters(reportsParameters),
    responses: {
      200: answer('The oldest that match and nobody was given.', jsonContent(deliveryReportsSchema)),
      ...errors(...whereProven, 'E404'),
    },
  };
}

function issueToken(): object {
  return {
    operationId: 'issueToken',
    tags: ['auth'],
    summary: 'An OAuth 2 access token for client credentials',
    description:
      'A key and its secret, or a user name and password; as fields of the form, of the query, or by HTTP Basic.',
    security: [],
    requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema: tokenRequestSchema } } },
    responses: {
      200: answer('The token.', jsonContent(tokenSchema), false),
      ...errors('E401', 'E429', ...withBody),
    },
  };
}

function logIn(): object {
  return {
    operationId: 'createSession',
    tags: ['auth'],
    summary: 'A session token for a user name and password',
    description: 'To be used as `Authorization: IBSSO <token>`.',
    security: [],
    requestBody: { required: true, content: jsonContent(loginSchema) },
    responses: {
      200: answer('The session.', jsonContent(sessionSchema), false),
      ...errors('E401', 'E429', ...withBody),
    },
  };
}

function logOut(): object {
  return {
    operationId: 'endSession',
    tags: ['auth'],
    summary: 'Ends the session of the token that the request carries',
    description: 'The token is refused from then on.',
    security: [{ ibsso: [] }],
    responses: { 200: answer('Ended.', undefined, false), ...errors('E401', 'E429') },
  };
}

const anyObject = { type: 'object', additionalProperties: true };

function operationPaths(): Readonly<Record<string, object>> {
  const open = (operationId: string, summary: string, description: string, content: object, ...codes: ErrorCode[]) => ({
    get: {
      operationId,
      tags: ['operation'],
      summary,
      description,
      security: [],
      responses: { 200: answer(summary, content, false), ...errors(...codes) },
    },
  });
  const figures = { 'text/plain': { schema: { type: 'string' } } };
  return {
    '/health/live': open('getLiveness', 'The process answers', 'For a supervisor.', jsonContent(livenessSchema)),
    '/health/ready': open(
      'getReadiness',
      'The log can be read and recorded to, and messages be sent',
      'With how much of it is amiss; 503 while nothing can be recorded, or, where messages are sent, nothing be taken to be sent.',
      jsonContent(healthSchema),
    ),
    '/metrics': open('getMetrics', 'Figures for Prometheus', 'With a token, where one is set.', figures, 'E401'),
    '/openapi.json': open('getDescription', 'This document', 'Of this version.', jsonContent(anyObject)),
  };
}

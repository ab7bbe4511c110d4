import { IsArray, type TSchema } from 'typebox';
import {
  errorBodySchema,
  historySchema,
  logSchema,
  outcomeSchema,
  pageSchema,
  recordSchema,
  summarySchema,
} from '../wire/log-schemas.ts';
import {
  exportParameters,
  filterParameters,
  pageParameters,
  reportsParameters,
  streamParameters,
  summaryParameters,
} from '../wire/query-schemas.ts';
import { deliveryReportsSchema, sendAnswerSchema, sendRequestSchema } from '../wire/send-schemas.ts';
import { loginSchema, sessionSchema, tokenRequestSchema, tokenSchema } from './auth-schemas.ts';
import { type ErrorCode, errorTable } from './errors.ts';
import { managementPaths } from './management/openapi.ts';

const json = 'application/json';
const schemaRef = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const jsonContent = (schema: object) => ({ [json]: { schema } });
const readScopes = ['messenger:logs:read', 'messenger:manage'];
const writeScopes = ['messenger:logs:write', 'messenger:manage'];
const sendScopes = ['message:send', 'messenger:message:send', 'messenger:manage'];

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
  return {
    openapi: '3.1.0',
    info: { title: 'sentlog', version, description: 'The outbound Messenger message log, behind the API of Infobip.' },
    paths: paths(),
    components: {
      schemas: {
        Log: logSchema,
        Page: pageSchema,
        Message: historySchema,
        Summary: summarySchema,
        Record: recordSchema,
        Outcome: outcomeSchema,
        Send: sendRequestSchema,
        Sent: sendAnswerSchema,
        DeliveryReports: deliveryReportsSchema,
        Error: errorBodySchema,
      },
      securitySchemes: securitySchemes(),
    },
  };
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
    ...operationPaths(),
  };
}

function readLogs(): object {
  return {
    operationId: 'getLogs',
    summary: 'The newest messages that match',
    security: security(readScopes),
    parameters: [...queryParameters(filterParameters), ...queryParameters(pageParameters)],
    responses: {
      200: answer('A page of logs.', jsonContent(schemaRef('Page'))),
      ...errors('E400', 'E401', 'E403', 'E429', 'E500', 'E503'),
    },
  };
}

function fetchReports(): object {
  return {
    operationId: 'getReports',
    summary: 'Final delivery reports of sent messages, each given once',
    security: security(sendScopes),
    parameters: queryParameters(reportsParameters),
    responses: {
      200: answer('The oldest that match and nobody was given.', jsonContent(schemaRef('DeliveryReports'))),
      ...errors('E400', 'E401', 'E403', 'E429', 'E500', 'E503'),
    },
  };
}

function recordLogs(): object {
  return {
    operationId: 'recordLogs',
    summary: 'Records messages, and reports on them, which may come before; answered 200, they are durable',
    security: security(writeScopes),
    requestBody: {
      required: true,
      content: {
        [json]: {
          schema: {
            type: 'object',
            required: ['results'],
            properties: { results: { type: 'array', minItems: 1, items: schemaRef('Record') } },
          },
        },
        'application/x-ndjson': { schema: schemaRef('Record') },
      },
    },
    responses: {
      200: answer('What came of each record.', jsonContent(schemaRef('Outcome'))),
      ...errors('E400', 'E401', 'E403', 'E408', 'E413', 'E415', 'E429', 'E500', 'E503'),
    },
  };
}

function exportLogs(): object {
  const content = { 'application/x-ndjson': { schema: schemaRef('Log') }, 'text/csv': { schema: { type: 'string' } } };
  return {
    operationId: 'exportLogs',
    summary: 'All messages that match, streamed',
    security: security(readScopes),
    parameters: [...queryParameters(filterParameters), ...queryParameters(exportParameters)],
    responses: {
      200: answer(
        'One log a line. In CSV, what a spreadsheet would run, in a cell or behind `;`, a tab or a line end in it, has an apostrophe before it.',
        content,
      ),
      ...errors('E400', 'E401', 'E403', 'E429', 'E500', 'E503'),
    },
  };
}

function summarizeLogs(): object {
  return {
    operationId: 'getSummary',
    summary: 'Figures of all messages that match, by their present state',
    security: security(readScopes),
    parameters: [...queryParameters(filterParameters), ...queryParameters(summaryParameters)],
    responses: {
      200: answer(
        'The figures; those that could not be finished in time are absent.',
        jsonContent(schemaRef('Summary')),
      ),
      ...errors('E400', 'E401', 'E403', 'E429', 'E500', 'E503'),
    },
  };
}

function followLogs(): object {
  const events =
    'Server-sent events: `log` with a new or changed log that matches, `reset` when what came meanwhile cannot be told. ' +
    'Ids without data only move the place to go on from.';
  return {
    operationId: 'followLogs',
    summary: 'Each log that matches when it is recorded, and again when a report changes it',
    security: security(readScopes),
    parameters: [
      ...queryParameters(filterParameters),
      ...queryParameters(streamParameters),
      { name: 'Last-Event-ID', in: 'header', schema: { type: 'string' } },
    ],
    responses: {
      200: answer(events, { 'text/event-stream': { schema: { type: 'string' } } }),
      ...errors('E400', 'E401', 'E403', 'E429', 'E500', 'E503'),
    },
  };
}

function readMessage(): object {
  return {
    operationId: 'getMessage',
    summary: 'One message with all that was reported of it',
    security: security(readScopes),
    parameters: [{ name: 'messageId', in: 'path', required: true, schema: { type: 'string' } }],
    responses: {
      200: answer('The message.', jsonContent(schemaRef('Message'))),
      ...errors('E401', 'E403', 'E404', 'E429', 'E500', 'E503'),
    },
  };
}

function sendMessages(): object {
  return {
    operationId: 'sendMessages',
    summary: 'Sends messages, where the server has a carrier; answered 200, they are accepted durably',
    security: security(sendScopes),
    requestBody: { required: true, content: jsonContent(schemaRef('Send')) },
    responses: {
      200: answer('What became of each message at once; the rest is in its log.', jsonContent(schemaRef('Sent'))),
      ...errors('E400', 'E401', 'E403', 'E404', 'E408', 'E413', 'E415', 'E429', 'E500', 'E503'),
    },
  };
}

function issueToken(): object {
  return {
    operationId: 'issueToken',
    summary: 'An OAuth 2 access token for client credentials',
    requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema: tokenRequestSchema } } },
    responses: {
      200: answer('The token.', jsonContent(tokenSchema)),
      ...errors('E400', 'E401', 'E415', 'E429', 'E503'),
    },
  };
}

function logIn(): object {
  return {
    operationId: 'createSession',
    summary: 'A session token for a user name and password',
    requestBody: { required: true, content: jsonContent(loginSchema) },
    responses: {
      200: answer('The session.', jsonContent(sessionSchema)),
      ...errors('E400', 'E401', 'E415', 'E429', 'E503'),
    },
  };
}

function logOut(): object {
  return {
    operationId: 'endSession',
    summary: 'Ends the session of the token that the request carries',
    security: [{ ibsso: [] }],
    responses: { 200: { description: 'Ended.' }, ...errors('E401', 'E429', 'E503') },
  };
}

function operationPaths(): Readonly<Record<string, object>> {
  const text = (summary: string, type: string, ...codes: ErrorCode[]) => ({
    get: { summary, responses: { 200: answer(summary, { [type]: { schema: {} } }), ...errors(...codes) } },
  });
  return {
    '/health/live': text('The process answers', json),
    '/health/ready': text('The log can be read and recorded to', json, 'E503'),
    '/metrics': text('Figures for Prometheus', 'text/plain'),
    '/openapi.json': text('This document', json),
  };
}

function queryParameters(parameters: Readonly<Record<string, TSchema>>): object[] {
  return Object.entries(parameters).map(([name, schema]) => ({
    name,
    in: 'query',
    schema,
    ...(IsArray(schema) && { style: 'form', explode: true }),
  }));
}

function answer(description: string, content: object): object {
  return { description, content };
}

function errors(...codes: ErrorCode[]): object {
  const answers = codes.map(code => {
    const { status, description } = errorTable[code];
    return [status, answer(description, jsonContent(schemaRef('Error')))] as const;
  });
  return Object.fromEntries(answers);
}

/** Any one of the four kinds of credentials will do. */
function security(scopes: readonly string[]): object[] {
  return [{ app: [] }, { basic: [] }, { bearer: scopes }, { ibsso: [] }];
}

function securitySchemes(): object {
  const scopes = {
    'messenger:logs:read': 'Reads logs.',
    'messenger:logs:write': 'Records messages and reports.',
    'messenger:message:send': 'Sends messages.',
    'message:send': 'Sends messages, by any channel.',
    'messenger:manage': 'All of these.',
  };
  const header = (description: string) => ({ type: 'apiKey', in: 'header', name: 'Authorization', description });
  return {
    app: header('`App <API key>`'),
    basic: { type: 'http', scheme: 'basic' },
    bearer: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: '/auth/1/oauth2/token', scopes } } },
    ibsso: header('`IBSSO <session token>`'),
  };
}

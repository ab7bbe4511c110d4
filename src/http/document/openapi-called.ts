import Type from 'typebox';
import { limits } from '../../limits.ts';
import { steeringAnswers, steeringBodies } from './emulator-schemas.ts';
import { answer, errors, json, jsonContent, security, whereProven, withBody } from './openapi-parts.ts';

/** Of bodies that are small, and may have any type. */
const withSmallBody = ['E408', 'E413'] as const;

/** `/emulator/…`, which steers a Meta that is played. */
export function emulatorPaths(): object {
  const operation = (operationId: string, summary: string, description: string, more: object) => ({
    operationId,
    tags: ['emulator'],
    summary,
    description,
    security: security(['messenger:manage']),
    ...more,
  });
  const read = (operationId: string, summary: string, answered: object) =>
    operation(operationId, summary, 'Only where Meta is played.', {
      responses: { 200: answer('As it is.', jsonContent(answered)), ...errors(...whereProven, 'E404') },
    });
  const steer = (name: keyof typeof steeringBodies, operationId: string, summary: string, description: string) =>
    operation(operationId, summary, description, {
      requestBody: { required: name !== 'reset' && name !== 'faults', content: jsonContent(steeringBodies[name]) },
      responses: {
        200: answer('Done.', jsonContent(steeringAnswers[name])),
        ...errors(...whereProven, ...withSmallBody, 'E404', 'E415'),
      },
    });
  return {
    '/emulator/reset': {
      post: steer('reset', 'resetEmulator', 'Forgets all that was sent', 'Empties the log too, where it is in memory.'),
    },
    '/emulator/clock': {
      get: read('getEmulatorClock', 'What time it is there', steeringAnswers.clock),
      post: steer('clock', 'advanceEmulatorClock', 'Puts the clock forward', 'What would have come by then comes now.'),
    },
    '/emulator/receipts': {
      post: steer('receipts', 'makeReceipt', 'Makes a receipt now', 'Of a message, by its id or its `mid`.'),
    },
    '/emulator/faults': {
      post: steer('faults', 'makeFault', 'Answers nobody, until it is told otherwise', 'Or refuses a token.'),
    },
    '/emulator/sent': { get: read('getSent', 'All that was sent, and what became of it', steeringAnswers.sent) },
    '/emulator/destinations': {
      get: read(
        'getDestinations',
        'What becomes of messages by the names of destinations',
        steeringAnswers.destinations,
      ),
    },
  };
}

const parameter = (where: 'path' | 'query' | 'header', name: string, description: string, required = true) => ({
  name,
  in: where,
  required,
  description,
  schema: { type: 'string', ...(where === 'path' && { minLength: 1 }) },
});

/** `/webhooks/…`: what others call. Their callers prove themselves by secrets that the server has given them. */
export function webhookPaths(): object {
  const mirror = parameter('path', 'mirror', 'The name of the mirror.');
  const secret = parameter('path', 'secret', 'As `sentlog mirrors webhook` prints it.');
  return {
    '/webhooks/infobip/{mirror}': { post: reportsOf('takeReports', [mirror], [{ basic: [] }]) },
    '/webhooks/infobip/{mirror}/{secret}': { post: reportsOf('takeReportsBySecret', [mirror, secret], []) },
    '/webhooks/meta': { get: verifyMeta(), post: takeMetaEvents() },
  };
}

/** What is not known of the vendor's reports is passed over. */
const reportsBody = Type.Object(
  { results: Type.Array(Type.Object({}, { additionalProperties: true })) },
  { additionalProperties: true },
);

function reportsOf(operationId: string, parameters: readonly object[], proofs: readonly object[]): object {
  return {
    operationId,
    tags: ['webhooks'],
    summary: "Delivery and seen reports of Infobip's, on messages that a mirror keeps",
    description: `Stored before they are answered. At most ${limits.webhookBodyBytesMax} bytes.`,
    security: proofs,
    parameters,
    requestBody: {
      required: true,
      content: { ...jsonContent(reportsBody), 'application/xml': { schema: { type: 'string' } } },
    },
    responses: {
      200: answer('Stored.', { [json]: { schema: Type.Object({}) } }, false),
      ...errors('E401', ...withBody),
    },
  };
}

const text = { 'text/plain': { schema: { type: 'string' } } };

function verifyMeta(): object {
  return {
    operationId: 'verifyMetaWebhook',
    tags: ['webhooks'],
    summary: "The set-up of Meta's webhook",
    description: 'Answers its challenge when it shows the token of `SENTLOG_WEBHOOK_VERIFY_TOKEN`.',
    security: [],
    parameters: [
      parameter('query', 'hub.mode', '`subscribe`.'),
      parameter('query', 'hub.verify_token', 'The token.'),
      parameter('query', 'hub.challenge', 'What is answered.'),
    ],
    responses: { 200: answer('The challenge.', text, false), ...errors('E403', 'E404') },
  };
}

function takeMetaEvents(): object {
  return {
    operationId: 'takeMetaEvents',
    tags: ['webhooks'],
    summary: 'Receipts and echoes of messages of a page',
    description: 'Stored before they are answered. Only where messages go over Meta.',
    security: [],
    parameters: [
      parameter('header', 'X-Hub-Signature-256', '`sha256=` and the HMAC of the body, under the app secret.'),
    ],
    requestBody: { required: true, content: jsonContent(Type.Object({}, { additionalProperties: true })) },
    responses: {
      200: answer('Stored.', text, false),
      ...errors('E403', 'E404', ...withSmallBody),
    },
  };
}

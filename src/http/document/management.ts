import type { TSchema } from 'typebox';
import type { ErrorCode } from '../errors.ts';
import {
  accountSchema,
  accountsSchema,
  checkedSenderSchema,
  keyBindingSchema,
  keySchema,
  madeAccountSchema,
  madeKeySchema,
  madeUserSchema,
  mirrorSchema,
  mirrorsSchema,
  newAccountSchema,
  newKeySchema,
  newMirrorSchema,
  newSenderSchema,
  newUserSchema,
  resumedMirrorSchema,
  senderSchema,
  sendersSchema,
} from './management-schemas.ts';
import { whereProven, withBody } from './openapi-parts.ts';

/** How the document writes what all its operations have. */
export type Writing = {
  readonly answer: (description: string, content?: object) => object;
  readonly jsonContent: (schema: object) => object;
  readonly errors: (...codes: ErrorCode[]) => object;
  readonly security: (scopes: readonly string[]) => object[];
};

type Operation = {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly body?: TSchema;
  /** Nothing is answered when absent. */
  readonly answered?: TSchema;
};

const named = (name: string) => ({
  name,
  in: 'path',
  required: true,
  description: 'As it is listed.',
  schema: { type: 'string', minLength: 1 },
});

/** The operations under `/manage/1`. */
export function managementPaths(writing: Writing): object {
  const operation: Write = (parameters, it) => operationOf(writing, parameters, it);
  return { ...accessPaths(operation), ...mirrorPaths(operation), ...senderPaths(operation) };
}

type Write = (parameters: readonly object[], it: Operation) => object;

function accessPaths(operation: Write): object {
  return {
    '/manage/1/account': {
      get: operation([], {
        operationId: 'getAccount',
        summary: 'The account with its keys and users, and when they were last used',
        answered: accountSchema,
      }),
    },
    '/manage/1/accounts': {
      get: operation([], {
        operationId: 'getAccounts',
        summary: 'All accounts, the newest first',
        description: 'For those alone who manage the account that a log begins with, "default".',
        answered: accountsSchema,
      }),
      post: operation([], {
        operationId: 'createAccount',
        summary: 'Makes an account with a first key; it is shown only now',
        description: 'For those alone who manage the account that a log begins with, "default".',
        body: newAccountSchema,
        answered: madeAccountSchema,
      }),
    },
    '/manage/1/keys': {
      post: operation([], {
        operationId: 'createKey',
        summary: 'Makes a key of the account; it is shown only now',
        description:
          'Without scopes it may do everything. Bound to an application or entity it sees and writes no other.',
        body: newKeySchema,
        answered: madeKeySchema,
      }),
    },
    '/manage/1/keys/{id}': {
      delete: operation([named('id')], { operationId: 'revokeKey', summary: 'Refuses a key from now on' }),
    },
    '/manage/1/keys/{id}/binding': {
      post: operation([named('id')], {
        operationId: 'bindKey',
        summary: 'Binds a key to an application or entity, or to nothing',
        description:
          'From now on it sees and writes what is of both that are named, and all of the account where none is. A bound key ' +
          'manages nothing.',
        body: keyBindingSchema,
        answered: keySchema,
      }),
    },
    '/manage/1/users': {
      post: operation([], {
        operationId: 'createUser',
        summary: 'Makes a user of the account',
        description:
          'The name of the account, after an @, is put behind the name. A password is made up when none is given.',
        body: newUserSchema,
        answered: madeUserSchema,
      }),
    },
    '/manage/1/users/{name}': {
      delete: operation([named('name')], {
        operationId: 'removeUser',
        summary: 'Removes a user and ends their sessions',
      }),
    },
  };
}

function mirrorPaths(operation: Write): object {
  const name = [named('name')];
  return {
    '/manage/1/mirrors': {
      get: operation([], { operationId: 'getMirrors', summary: 'The mirrors of the account', answered: mirrorsSchema }),
      post: operation([], {
        operationId: 'addMirror',
        summary: 'Keeps another log in the account',
        description:
          'Its key is kept encrypted and never shown. What the mirror is called begins with the name that is given.',
        body: newMirrorSchema,
        answered: mirrorSchema,
      }),
    },
    '/manage/1/mirrors/{name}': {
      delete: operation(name, { operationId: 'removeMirror', summary: 'Removes a mirror; what it kept stays' }),
    },
    '/manage/1/mirrors/{name}/pause': {
      post: operation(name, { operationId: 'pauseMirror', summary: 'Lets a mirror rest', answered: mirrorSchema }),
    },
    '/manage/1/mirrors/{name}/check': {
      post: operation(name, {
        operationId: 'checkMirror',
        summary:
          'Begins to ask both sides the same questions; what that comes to is told with the mirror, as `lastCheck`',
        answered: mirrorSchema,
      }),
    },
    '/manage/1/mirrors/{name}/resume': {
      post: operation(name, {
        operationId: 'resumeMirror',
        summary: 'Lets a mirror go on, with another key if one is given',
        body: resumedMirrorSchema,
        answered: mirrorSchema,
      }),
    },
  };
}

function senderPaths(operation: Write): object {
  const page = [named('page')];
  return {
    '/manage/1/senders': {
      get: operation([], {
        operationId: 'getSenders',
        summary: 'The pages that the account sends over',
        answered: sendersSchema,
      }),
      post: operation([], {
        operationId: 'addSender',
        summary: 'Lets the account send over a page, or changes how',
        description: 'Its token and the secret of its app are kept encrypted and never shown.',
        body: newSenderSchema,
        answered: senderSchema,
      }),
    },
    '/manage/1/senders/{page}': {
      delete: operation(page, {
        operationId: 'removeSender',
        summary: 'Lets the account no longer send over a page; messages that wait for it fail',
      }),
    },
    '/manage/1/senders/{page}/check': {
      post: operation(page, {
        operationId: 'checkSender',
        summary: 'Asks Meta whether a page can be used with its token',
        answered: checkedSenderSchema,
      }),
    },
  };
}

function operationOf(writing: Writing, parameters: readonly object[], it: Operation): object {
  const { answer, errors, jsonContent, security } = writing;
  const { operationId, summary, description, body, answered } = it;
  const bodyCodes = body === undefined ? [] : withBody;
  return {
    operationId,
    tags: ['management'],
    summary,
    description: description ?? `${summary}.`,
    security: security(['messenger:manage']),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, content: jsonContent(body) } }),
    responses: {
      ...(answered === undefined ? { 204: answer('Done.') } : { 200: answer('How it is now.', jsonContent(answered)) }),
      ...errors(...whereProven, ...bodyCodes, 'E404'),
    },
  };
}

import Type from 'typebox';

export const credentialCharsMax = 1024;

export const credentialSchema = Type.String({ minLength: 1, maxLength: credentialCharsMax });

const credential = (description: string) => Type.String({ minLength: 1, maxLength: credentialCharsMax, description });

export const tokenRequestSchema = Type.Object(
  {
    client_id: credential('The id of an API key, or a user name.'),
    client_secret: credential('The secret of the API key, or the password.'),
    grant_type: Type.Literal('client_credentials'),
  },
  { title: 'TokenRequest', additionalProperties: true },
);
export const tokenSchema = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds.' }),
  },
  { title: 'Token' },
);
export const loginSchema = Type.Object(
  { username: credential('A user name.'), password: credential('Its password.') },
  { title: 'Login', additionalProperties: true },
);
export const sessionSchema = Type.Object({ token: Type.String() }, { title: 'Session' });

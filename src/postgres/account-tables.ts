/** Who may use the log, as `src/accounts` knows them. Times are milliseconds by the clock of the process that wrote them. */
export const accounts = `
CREATE TABLE account (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL UNIQUE,
  requests_per_minute integer,
  created_at bigint NOT NULL
);

CREATE TABLE api_key (
  id text COLLATE "C" PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES account,
  secret_hash bytea NOT NULL,
  scopes text NOT NULL,
  application_id text,
  entity_id text,
  created_at bigint NOT NULL,
  expires_at bigint,
  revoked_at bigint
);
CREATE INDEX api_key_account ON api_key (account_id, created_at);

CREATE TABLE account_user (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  account_id bigint NOT NULL REFERENCES account,
  name text COLLATE "C" NOT NULL UNIQUE,
  password text NOT NULL,
  scopes text NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX account_user_account ON account_user (account_id);

CREATE TABLE session (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  token_hash bytea NOT NULL UNIQUE,
  user_id bigint NOT NULL REFERENCES account_user ON DELETE CASCADE,
  expires_at bigint NOT NULL
);
CREATE INDEX session_user_id ON session (user_id, id);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE access_token (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  token_hash bytea NOT NULL UNIQUE,
  key_id text COLLATE "C" NOT NULL REFERENCES api_key ON DELETE CASCADE,
  expires_at bigint NOT NULL
);
CREATE INDEX access_token_key ON access_token (key_id, id);
CREATE INDEX access_token_expiry ON access_token (expires_at);

CREATE TABLE secret (
  name text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);
`;

/** How long an account keeps its messages where it has a time of its own, and what the last check of a mirror came to. */
export const ownRetention = `
ALTER TABLE account ADD COLUMN retention_ms bigint;
CREATE INDEX account_retention ON account (id) WHERE retention_ms IS NOT NULL;
ALTER TABLE mirror ADD COLUMN last_check text;
`;

/** How often keys and users have let somebody in. A program of before counts nothing. */
export const uses = `
ALTER TABLE api_key ADD COLUMN uses bigint NOT NULL DEFAULT 0, ADD COLUMN last_used_at bigint;
ALTER TABLE account_user ADD COLUMN uses bigint NOT NULL DEFAULT 0, ADD COLUMN last_used_at bigint;
`;

/** How often accounts were given a retention: one row, so that each second's look need not read them all. */
export const retentionChanges = `
CREATE TABLE retention_change (
  is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
  changes bigint NOT NULL
);
INSERT INTO retention_change (changes) VALUES (0);
`;

-- Who may ask a server, and as whom. The secret itself is nowhere.

CREATE TABLE access_tokens (
  id           text        COLLATE "C" PRIMARY KEY,
  hash         bytea       NOT NULL CHECK (octet_length(hash) = 32),
  actor        text        NOT NULL,
  role         text        NOT NULL CHECK (role IN ('worker', 'orchestrator', 'auditor')),
  created_at   timestamptz NOT NULL,
  created_by   text        NOT NULL,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  revoked_by   text,
  last_used_at timestamptz,
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
)
--;;
COMMENT ON TABLE access_tokens IS 'One row for each token of a server over HTTP. Holds the SHA-256 of a token, never the token.'

-- The read model: what claims, lists and counts read. Everything in it follows from the log.

CREATE TABLE cards (
  id                 text        COLLATE "C" PRIMARY KEY,
  title              text        NOT NULL,
  body               text,
  phase              text        COLLATE "C",
  priority           integer     NOT NULL,
  status             text        COLLATE "C" NOT NULL CHECK (status IN ('ready', 'claimed', 'blocked', 'done')),
  unmet_dependencies integer     NOT NULL CHECK (unmet_dependencies >= 0),
  not_before         timestamptz,
  deferred           boolean     NOT NULL,
  claim_owner        text,
  claim_ttl_seconds  integer,
  claimed_at         timestamptz,
  claim_expires_at   timestamptz,
  claim_token        integer,
  attempts           integer     NOT NULL,
  idempotency_key    text        COLLATE "C",
  acceptance         jsonb,
  result             jsonb,
  blocked_reason     text,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  completed_at       timestamptz,
  version            integer     NOT NULL,
  position           bigint      NOT NULL,
  CHECK ((status = 'claimed') = (claim_token IS NOT NULL)),
  CHECK (num_nulls(claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token) IN (0, 5)),
  CHECK (NOT deferred OR (status = 'ready' AND not_before IS NOT NULL))
)
--;;
COMMENT ON COLUMN cards.unmet_dependencies IS 'How many of the card''s dependencies are not done or do not exist.'
--;;
COMMENT ON COLUMN cards.deferred IS 'True from a release with a retry time until a claim has seen that time pass: keeps such cards out of the claim index.'
--;;
CREATE INDEX cards_claim_order ON cards (priority DESC, created_at, id)
  WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
--;;
CREATE INDEX cards_list_order ON cards (status, priority DESC, created_at, id)
--;;
CREATE INDEX cards_claim_expiry ON cards (claim_expires_at) WHERE status = 'claimed'
--;;
CREATE INDEX cards_retry_time ON cards (not_before) WHERE deferred
--;;
CREATE UNIQUE INDEX cards_idempotency_key ON cards (idempotency_key) WHERE idempotency_key IS NOT NULL
--;;
CREATE TABLE dependencies (
  card_id       text COLLATE "C" NOT NULL,
  depends_on_id text COLLATE "C" NOT NULL CHECK (depends_on_id <> card_id),
  PRIMARY KEY (card_id, depends_on_id)
)
--;;
COMMENT ON TABLE dependencies IS 'card_id waits until depends_on_id exists and is done.'
--;;
CREATE INDEX dependencies_dependents ON dependencies (depends_on_id, card_id)

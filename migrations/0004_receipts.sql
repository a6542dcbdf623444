-- What was answered to commands that carry an id, so that a retry gets the first answer instead of a second effect.

CREATE TABLE receipts (
  command_id  text        COLLATE "C" PRIMARY KEY,
  fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
  outcome     jsonb       NOT NULL,
  recorded_at timestamptz NOT NULL
)
--;;
COMMENT ON TABLE receipts IS 'One row for each command that carried an id, written in the transaction of its events. Names cards and versions, and holds nothing of their content.'
--;;
CREATE INDEX receipts_recorded_at ON receipts (recorded_at)

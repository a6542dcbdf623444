-- Claims within one phase, and tables that are updated all the time.

CREATE INDEX cards_claim_order_by_phase ON cards (phase, priority DESC, created_at, id)
  WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred AND phase IS NOT NULL
--;;
-- The one row of head changes with every transaction: room beside it keeps its versions in one page.
ALTER TABLE head SET (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0)
--;;
-- Every claim leaves dead entries where the next claim looks first. How many of them are there matters, and not what
-- part of all cards they are.
ALTER TABLE cards SET (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.02)

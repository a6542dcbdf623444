-- Holds the place of the migration before 0010, which comes from another branch.
ALTER TABLE receipts ALTER COLUMN fingerprint SET STATISTICS 0

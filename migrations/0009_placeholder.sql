-- Holds the place of the migration before 0010, which comes from another branch.
SELECT 1

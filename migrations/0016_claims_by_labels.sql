-- A claim by labels that continued at a remembered place could read all ready cards: the planner overestimates the cards of a label
-- and underestimates those that match a filter, so it would read the latter once and keep them, instead of one card at a time by
-- its id.
ALTER FUNCTION lock_labelled_v1(json, text[], integer, timestamptz, text) SET enable_material = off

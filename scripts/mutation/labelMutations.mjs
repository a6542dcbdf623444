/** Labels, notes, generated ids, deferred cards and lists: see docs/decisions/0054-labels-and-search.md. */
const migration = "migrations/0013_labels_and_notes.sql"
const decide = "src/domain/decide.ts"
const conformance = ["test/services/conformance.test.ts"]

export const labelMutations = [
  {
    name: "a claim takes only cards that have all labels",
    file: decide,
    find: "filter.labels.every((label)",
    replace: "filter.labels.some((label)",
    tests: conformance
  },
  {
    name: "the database chooses only cards that have all labels",
    file: migration,
    find: "AND labels @> wanted AND NOT labels && unwanted AND (of_phase IS NULL OR phase = of_phase)\n            AND cards.id <> ALL(skipped)\n          ORDER BY entry.priority DESC",
    replace:
      "AND NOT labels && unwanted AND (of_phase IS NULL OR phase = of_phase)\n            AND cards.id <> ALL(skipped)\n          ORDER BY entry.priority DESC",
    tests: conformance
  },
  {
    name: "a card that is no longer claimable is no longer among those of its labels",
    file: migration,
    find: "  IF OLD.status = 'ready' AND OLD.unmet_dependencies = 0 AND NOT OLD.deferred THEN\n    DELETE",
    replace: "  IF false THEN\n    DELETE",
    tests: conformance
  },
  {
    name: "a card that becomes claimable is among those of its labels",
    file: migration,
    find: "  IF NEW.status = 'ready' AND NEW.unmet_dependencies = 0 AND NOT NEW.deferred THEN",
    replace: "  IF false THEN",
    tests: conformance
  },
  {
    name: "changed words are searched",
    file: migration,
    find: "WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.body IS DISTINCT FROM NEW.body OR OLD.labels",
    replace: "WHEN (OLD.labels",
    tests: conformance
  },
  {
    name: "verification compares the words of cards",
    file: "src/projections/checkSearchTables.ts",
    find: "OR found.document <> ",
    replace: "OR false AND found.document <> ",
    tests: ["test/services/audit/tampering.test.ts"]
  },
  {
    name: "verification compares the claimable cards of labels",
    file: "src/projections/checkSearchTables.ts",
    find: "for (const { id, isMissing, label } of labelRows) {",
    replace: "for (const { id, isMissing, label } of labelRows.slice(0, 0)) {",
    tests: ["test/services/audit/tampering.test.ts"]
  },
  {
    name: "a note with an old token is refused",
    file: decide,
    find: 'return claim !== undefined && claim.token === token\n    ? oneEvent(card.id, { _tag: "CardNoted"',
    replace: 'return claim !== undefined\n    ? oneEvent(card.id, { _tag: "CardNoted"',
    tests: conformance
  },
  {
    name: "a renewal that changes nothing writes its note",
    file: decide,
    find: "  if (command.note != null) {",
    replace: "  if (command.note != null && events.length > 0) {",
    tests: conformance
  },
  {
    name: "a card has at most 32 labels",
    file: decide,
    find: "if (labels.length > maxLabels)",
    replace: "if (labels.length > maxLabels + 1)",
    tests: conformance
  },
  {
    name: "a claimed card is not deferred",
    file: decide,
    find: "    if (claim !== undefined) {\n      return Result.fail(new CardIsClaimed({ id: card.id, holder: claim.owner, expiresAt: claim.expiresAt }))\n    }\n    changes.notBefore",
    replace: "    changes.notBefore",
    tests: conformance
  },
  {
    name: "a generated id that is in use is not used again",
    file: "src/services/commands/generateIds.ts",
    find: "!isInUse(each) && !chosen.has(each)",
    replace: "!chosen.has(each)",
    tests: conformance
  },
  {
    name: "the same command gets the same generated id",
    file: "src/services/commands/generateIds.ts",
    find: "return seed === undefined ?",
    replace: "return seed !== undefined || seed === undefined ?",
    tests: conformance
  },
  {
    name: "a page before a card is the nearest one",
    file: "src/projections/listQueries.ts",
    find: "const direction = literal(isBackward ? backward : forward)",
    replace: "const direction = literal(forward)",
    tests: conformance
  },
  {
    name: "renewals of earlier claims are not counted",
    file: "src/projections/cardQueries.ts",
    find: "ORDER BY version DESC LIMIT 1)) AS renewals",
    replace: "ORDER BY version LIMIT 1)) AS renewals",
    tests: conformance
  }
]

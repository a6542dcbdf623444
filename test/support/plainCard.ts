import type { Card } from "../../src/domain/Card.ts"

/** A plain card as JSON. */
export const plainCard = {
  id: "a",
  title: "A",
  body: null,
  phase: null,
  labels: [],
  priority: 0,
  status: "ready",
  dependsOn: [],
  claimOwner: null,
  claimTtlSeconds: null,
  claimedAt: null,
  claimExpiresAt: null,
  claimToken: null,
  attempts: 0,
  notBefore: null,
  idempotencyKey: null,
  acceptance: null,
  result: null,
  blockedReason: null,
  noteCount: 0,
  lastNote: null,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z",
  completedAt: null,
  version: 1
} satisfies typeof Card.Encoded

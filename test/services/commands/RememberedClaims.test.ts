import { DateTime, Schema } from "effect"
import { expect, it } from "vitest"
import { Card } from "../../../src/domain/Card.ts"
import { RememberedClaims } from "../../../src/services/commands/RememberedClaims.ts"
import { plainCard } from "../../support/plainCard.ts"

it("claims of another generation are neither remembered nor kept", () => {
  const card: Card = { ...Schema.decodeSync(Card)(plainCard), status: "claimed" }
  const now = DateTime.makeUnsafe(0)
  const claims = new RememberedClaims()
  claims.noteMoment(now, 0)
  claims.remember(card.id, card, 5, 0)
  expect(claims.take(card.id)).toEqual({ card, position: 5 })
  claims.remember(card.id, card, 5, 0)
  claims.noteMoment(now, 2 ** 31)
  expect(claims.take(card.id)).toBeUndefined()
  // The answer of a transaction that began before.
  claims.remember(card.id, card, 6, 0)
  expect(claims.take(card.id)).toBeUndefined()
})

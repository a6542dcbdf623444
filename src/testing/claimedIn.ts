import type { ModelAnswer, ModelCard, ModelCommand, ModelCompletedCard } from "./Model.ts"

/** The cards that a command claimed, from its answer. */
export const claimedCards = (command: ModelCommand, answer: ModelAnswer): ReadonlyArray<ModelCard> => {
  switch (command._tag) {
    case "Claim":
      return answer === null ? [] : [answer as ModelCard]
    case "ClaimMany":
      return answer as ReadonlyArray<ModelCard>
    case "Complete": {
      const { next } = answer as Partial<ModelCompletedCard>
      return next == null ? [] : [next]
    }
    default:
      return []
  }
}

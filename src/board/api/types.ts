import type * as Answers from "../../http/api/answers.ts"
import type { Caller as CallerSchema } from "../../http/api/CallerGroup.ts"
import type * as Public from "../../index.ts"

/*
 * The answers of the HTTP API as JSON, from the schemas of the server. Only types are imported: the schemas themselves are
 * larger than the whole page.
 */

export type Card = typeof Answers.Card.Encoded
export type CardSummary = typeof Public.CardSummary.Encoded
export type CardNote = typeof Public.CardNote.Encoded
export type ActiveClaim = typeof Public.ActiveClaim.Encoded
export type Neighbourhood = typeof Answers.Neighbourhood.Encoded
export type Impact = typeof Answers.Impact.Encoded
export type Stats = typeof Answers.Stats.Encoded
export type Explanation = typeof Answers.Explanation.Encoded
export type Obstacle = Explanation["obstacles"][number]
export type ClaimOutlook = typeof Answers.ClaimOutlook.Encoded
export type RecordedEvent = typeof Answers.RecordedEvent.Encoded
export type CardDiff = typeof Answers.CardDiff.Encoded
export type BacklogAt = typeof Answers.BacklogAt.Encoded
export type Density = typeof Answers.Density.Encoded
export type Anchor = typeof Answers.Anchor.Encoded
export type MadeAnchor = (typeof Answers.MadeAnchors.Encoded)[number]
export type Verification = (typeof Answers.Verifications.Encoded)[number]
export type VerifyProgress = typeof Answers.VerifyProgress.Encoded
export type VerifyReport = typeof Answers.VerifyReport.Encoded
export type Erasure = typeof Answers.Erasure.Encoded
export type Flow = typeof Answers.Flow.Encoded

export type Caller = typeof CallerSchema.Encoded
export type Status = Card["status"]

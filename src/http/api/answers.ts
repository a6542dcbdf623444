import { ByteSize, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { Generation } from "../../domain/Card.ts"
import { problems } from "../problems.ts"
import * as Domain from "../../index.ts"

/** A card. */
export const Card = Domain.Card.annotate({ identifier: "Card" })

/** A claimed card with its claim. */
export const ClaimedCard = Domain.ClaimedCard.annotate({ identifier: "ClaimedCard" })

/** Cards. */
export const Cards = Schema.Array(Card)

/** Cards, or their summaries. */
export const ListedCards = Schema.Array(
  Schema.Union([Card, Domain.CardSummary.annotate({ identifier: "CardSummary" })])
)

/** Notes on a card. */
export const CardNotes = Schema.Array(Domain.CardNote.annotate({ identifier: "CardNote" }))

/** Current claims. */
export const ActiveClaims = Schema.Array(Domain.ActiveClaim.annotate({ identifier: "ActiveClaim" }))

/** How a card changed between two moments. */
export const CardDiff = Schema.Struct({
  ...Domain.CardDiff.fields,
  before: Schema.NullOr(Card),
  after: Card
}).annotate({ identifier: "CardDiff" })

/** How cards flow through the backlog. */
export const Flow = Domain.Flow.annotate({ identifier: "Flow" })

const GraphCard = Domain.GraphCard.annotate({ identifier: "GraphCard" })

/** Cards in a graph. */
export const GraphCards = Schema.Array(GraphCard)

/** The cards around a card. */
export const Neighbourhood = Schema.Struct({
  ...Domain.Neighbourhood.fields,
  cards: GraphCards
}).annotate({ identifier: "Neighbourhood" })

/** The cards that depend on the completion of a card. */
export const Impact = Domain.Impact.annotate({ identifier: "Impact" })

/** A completed card, the cards that its completion made claimable, and the card that was claimed next. */
export const CompletedCard = Schema.Struct({
  ...Domain.Card.fields,
  madeClaimable: Schema.Array(Domain.CardId),
  next: Schema.NullOr(ClaimedCard)
}).annotate({ identifier: "CompletedCard" })

/** The outcomes of several completions: the card, or the problem for which a completion was refused. */
export const Completions = Schema.Array(
  Schema.Union([
    CompletedCard,
    problems.cardNotFound,
    problems.claimLost,
    problems.cardIsClaimed,
    problems.commandIdConflict
  ])
)

/** Ids of cards. */
export const CardIds = Schema.Array(Domain.CardId)

/** Counts of the backlog. */
export const Stats = Domain.Stats.annotate({ identifier: "Stats" })

/** Why a card can or cannot be claimed. */
export const Explanation = Domain.Explanation.annotate({ identifier: "Explanation" })

/** Why a claim finds nothing. */
export const ClaimOutlook = Domain.ClaimOutlook.annotate({ identifier: "ClaimOutlook" })

/** An event of the log. */
export const RecordedEvent = Domain.RecordedEvent.annotate({ identifier: "RecordedEvent" })

/** A redaction that erased something, and whether its bytes are still in the data files. */
export const Erasure = Domain.Erasure.annotate({ identifier: "Erasure" })

/** A card after a redaction, what was erased, and whether its bytes are still in the data files. */
export const RedactedCard = Schema.Struct({
  card: Card,
  erased: Schema.Array(Domain.EventParts),
  state: Domain.Erasure.fields.state
})

/** Counts of the backlog at a moment, and the moment. */
export const BacklogAt = Schema.Struct({
  position: Schema.Int,
  time: Schema.DateTimeUtcFromString,
  stats: Stats
}).annotate({ identifier: "BacklogAt" })

/** The checkpoint of a consumer. */
export const Checkpoint = Domain.Checkpoint.annotate({ identifier: "Checkpoint" })

/** Events that consumers have parked. */
export const ParkedEvents = Schema.Array(Domain.ParkedEvent.annotate({ identifier: "ParkedEvent" }))

/** The end of the log. */
export const Anchor = Domain.Anchor.annotate({ identifier: "Anchor" })

/** When the events of a range of positions were recorded. */
export const Density = Domain.Density.annotate({ identifier: "Density" })

/** Verifications that ended. */
export const Verifications = Schema.Array(Domain.Verification.annotate({ identifier: "Verification" }))

/** Anchors that were made. */
export const MadeAnchors = Schema.Array(Domain.MadeAnchor.annotate({ identifier: "MadeAnchor" }))

/** The result of a verification. */
export const VerifyReport = Domain.VerifyReport.annotate({ identifier: "VerifyReport" })

/** The progress of a verification. */
export const VerifyProgress = Schema.Struct({ done: Schema.Int, total: Schema.Int })

/** The progress of a rebuild. */
export const RebuildProgress = Schema.Struct({
  phase: Schema.Literals(["preparing", "building", "counting", "catching up", "swapping", "swapped", "verifying"]),
  done: Schema.Int,
  total: Schema.Int
})

/** The result of a rebuild, and of the verification after it. */
export const RebuildReport = Schema.Struct({
  position: Schema.Int,
  cards: Schema.Int,
  rounds: Schema.Int,
  swapMillis: Schema.Finite,
  verification: VerifyReport
}).annotate({ identifier: "RebuildReport" })

/** The result of an import. */
export const ImportedLog = Schema.Struct({
  position: Schema.Int,
  chainHash: Schema.String,
  events: Schema.Int,
  cards: Schema.Int,
  generation: Generation,
  reclaimed: CardIds
}).annotate({ identifier: "ImportedLog" })

/** The result of `restored`. */
export const RestoredBacklog = Schema.Struct({
  generation: Generation,
  reclaimed: CardIds
}).annotate({ identifier: "RestoredBacklog" })

/** Maximum size of an element of a stream. A card can have several parts of 1 MiB, which JSON escapes make longer. */
export const maxElementSize = ByteSize.mebibytes(64)

/** Problems that can end any stream. */
export const streamProblems = [
  problems.invalidInput,
  problems.databaseUnavailable,
  problems.databaseFailed,
  problems.readOnlyReplica,
  problems.replicaBehind,
  problems.replicaConflict,
  problems.notPermitted
] as const

/**
 * A stream of items, one JSON document per line. An error in the middle is a problem on the last line. A response that ends
 * early without a problem is incomplete.
 */
export const ndjson = <const Items extends ReadonlyArray<Schema.Top>>(...items: Items) =>
  HttpApiSchema.StreamNdjson({ schema: Schema.Union([...items, ...streamProblems]), maxElementBytes: maxElementSize })

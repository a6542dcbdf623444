import { ByteSize, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { Generation } from "../../domain/Card.ts"
import { problems } from "../problems.ts"
import * as Domain from "../../index.ts"

/** A card or an event may have several parts of a mebibyte, which JSON makes longer. */
export const maxElementSize = ByteSize.mebibytes(64)

/** What can go wrong in the middle of any stream. */
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
 * Items, each on a line of its own. What goes wrong when some are on their way is a problem on the last line, and what
 * breaks off without one is not whole.
 */
export const ndjson = <const Items extends ReadonlyArray<Schema.Top>>(...items: Items) =>
  HttpApiSchema.StreamNdjson({ schema: Schema.Union([...items, ...streamProblems]), maxElementBytes: maxElementSize })

/** A card. */
export const Card = Domain.Card.annotate({ identifier: "Card" })

/** Cards. */
export const Cards = Schema.Array(Card)

/** A completed card, the cards that its completion made claimable, and the card that was claimed next. */
export const CompletedCard = Schema.Struct({
  ...Domain.Card.fields,
  madeClaimable: Schema.Array(Domain.CardId),
  next: Schema.NullOr(Card)
}).annotate({ identifier: "CompletedCard" })

/** What became of each of several completions: the card, or the problem of one that was refused. */
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

/** The backlog in numbers. */
export const Stats = Domain.Stats.annotate({ identifier: "Stats" })

/** Why a card can or cannot be claimed. */
export const Explanation = Domain.Explanation.annotate({ identifier: "Explanation" })

/** Why a claim finds nothing. */
export const ClaimOutlook = Domain.ClaimOutlook.annotate({ identifier: "ClaimOutlook" })

/** An event as the log holds it. */
export const RecordedEvent = Domain.RecordedEvent.annotate({ identifier: "RecordedEvent" })

/** A redaction that erased something, and where its bytes still are. */
export const Erasure = Domain.Erasure.annotate({ identifier: "Erasure" })

/** A card after a redaction, what was erased, and whether its bytes are still in the data files. */
export const RedactedCard = Schema.Struct({
  card: Card,
  erased: Schema.Array(Domain.EventParts),
  state: Domain.Erasure.fields.state
})

/** A backlog as it stood at a moment, in numbers, and which moment that was. */
export const BacklogAt = Schema.Struct({
  position: Schema.Int,
  time: Schema.DateTimeUtcFromString,
  stats: Stats
}).annotate({ identifier: "BacklogAt" })

/** How far a consumer of events has come. */
export const Checkpoint = Domain.Checkpoint.annotate({ identifier: "Checkpoint" })

/** Events that consumers have gone past. */
export const ParkedEvents = Schema.Array(Domain.ParkedEvent.annotate({ identifier: "ParkedEvent" }))

/** The end of the log. */
export const Anchor = Domain.Anchor.annotate({ identifier: "Anchor" })

/** What a verification found. */
export const VerifyReport = Domain.VerifyReport.annotate({ identifier: "VerifyReport" })

/** How much of a verification is done. */
export const VerifyProgress = Schema.Struct({ done: Schema.Int, total: Schema.Int })

/** How much of a rebuild is done. */
export const RebuildProgress = Schema.Struct({
  phase: Schema.Literals(["preparing", "building", "counting", "catching up", "swapping", "swapped", "verifying"]),
  done: Schema.Int,
  total: Schema.Int
})

/** What a rebuild did, and what the verification after it found. */
export const RebuildReport = Schema.Struct({
  position: Schema.Int,
  cards: Schema.Int,
  rounds: Schema.Int,
  swapMillis: Schema.Finite,
  verification: VerifyReport
}).annotate({ identifier: "RebuildReport" })

/** What was imported. */
export const ImportedLog = Schema.Struct({
  position: Schema.Int,
  chainHash: Schema.String,
  events: Schema.Int,
  cards: Schema.Int,
  generation: Generation,
  reclaimed: CardIds
}).annotate({ identifier: "ImportedLog" })

/** What was done to a backlog that was restored. */
export const RestoredBacklog = Schema.Struct({
  generation: Generation,
  reclaimed: CardIds
}).annotate({ identifier: "RestoredBacklog" })

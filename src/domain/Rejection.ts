import { DateTime, Schema } from "effect"
import { maxLabels, Status, Token } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Name } from "./Text.ts"
import { quote } from "./displayText.ts"

/**
 * No card has this id.
 *
 * What to do: check the id. `list` shows the cards.
 */
export class CardNotFound extends Schema.TaggedError<CardNotFound>()("CardNotFound", { id: CardId }) {
  override get message(): string {
    return `There is no card ${quote(this.id)}.`
  }
}

/**
 * A card with this id already exists. Ids are never reused.
 *
 * What to do: choose another id, or revise the existing card.
 */
export class CardAlreadyExists extends Schema.TaggedError<CardAlreadyExists>()("CardAlreadyExists", { id: CardId }) {
  override get message(): string {
    return `A card ${quote(this.id)} already exists. Choose another id, or revise that card.`
  }
}

/**
 * A link names a card that does not exist.
 *
 * What to do: create that card first, or pass the dependency to `create`, which may name cards that do not exist yet.
 */
export class DependencyNotFound extends Schema.TaggedError<DependencyNotFound>()("DependencyNotFound", {
  id: CardId,
  dependsOn: CardId
}) {
  override get message(): string {
    return `Card ${quote(this.id)} cannot depend on ${quote(this.dependsOn)}: there is no such card.`
  }
}

/**
 * A card cannot depend on itself.
 *
 * What to do: remove the id of the card from its dependencies.
 */
export class SelfDependency extends Schema.TaggedError<SelfDependency>()("SelfDependency", { id: CardId }) {
  override get message(): string {
    return `Card ${quote(this.id)} cannot depend on itself.`
  }
}

/**
 * A dependency would close a cycle. `path` begins and ends with the same card; each card depends on the next.
 *
 * What to do: remove a dependency on the path first.
 */
export class DependencyCycle extends Schema.TaggedError<DependencyCycle>()("DependencyCycle", {
  id: CardId,
  dependsOn: CardId,
  path: Schema.Array(CardId)
}) {
  override get message(): string {
    return `Card ${quote(this.id)} cannot depend on ${quote(this.dependsOn)}: that closes the cycle ${formatPath(this.path)}.`
  }
}

/**
 * The token is not the card's current one: the claim expired and was reclaimed, or was ended.
 *
 * What to do: stop working on the card, and claim another one. Do not repeat the command.
 */
export class ClaimLost extends Schema.TaggedError<ClaimLost>()("ClaimLost", {
  id: CardId,
  token: Token,
  status: Status,
  holder: Schema.NullOr(Name),
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {
  override get message(): string {
    const now =
      this.holder === null
        ? `it is ${this.status} now`
        : `it is held by ${quote(this.holder)}${this.expiresAt === null ? "" : ` until ${DateTime.formatIso(this.expiresAt)}`}`
    return `The claim with token ${this.token} on card ${quote(this.id)} is lost: ${now}.`
  }
}

/**
 * The card is claimed: it can be completed only with the token of the claim, and not be deferred.
 *
 * What to do: pass the claim's token, or `force` to override the holder. To defer the card, release it with a retry time.
 */
export class CardIsClaimed extends Schema.TaggedError<CardIsClaimed>()("CardIsClaimed", {
  id: CardId,
  holder: Name,
  expiresAt: Schema.DateTimeUtcFromString
}) {
  override get message(): string {
    return `Card ${quote(this.id)} is held by ${quote(this.holder)} until ${DateTime.formatIso(this.expiresAt)}. To complete it, pass the claim's token, or use force. To defer it, release it with a retry time.`
  }
}

/**
 * The card is done. It must be reopened first.
 *
 * What to do: reopen the card first.
 */
export class CardIsDone extends Schema.TaggedError<CardIsDone>()("CardIsDone", { id: CardId }) {
  override get message(): string {
    return `Card ${quote(this.id)} is done. Reopen it first.`
  }
}

/**
 * The card would have more labels than a card can have: 32.
 *
 * What to do: remove labels first.
 */
export class TooManyLabels extends Schema.TaggedError<TooManyLabels>()("TooManyLabels", {
  id: CardId,
  count: Schema.Int
}) {
  override get message(): string {
    return `Card ${quote(this.id)} would have ${this.count} labels. A card has at most ${maxLabels}: remove some first.`
  }
}

/**
 * The command's id was already used for another command. That one keeps its effect; this one had none.
 *
 * What to do: use a new id for each command, and the same id only to retry the same command.
 */
export class CommandIdConflict extends Schema.TaggedError<CommandIdConflict>()("CommandIdConflict", {
  commandId: Name
}) {
  override get message(): string {
    return `The command id ${quote(this.commandId)} was already used for a different command. Choose another id.`
  }
}

/** A rule of the backlog that refused a command. Nothing was written, except the receipt of a command with a `commandId`. */
export const Rejection = Schema.Union([
  CardNotFound,
  CardAlreadyExists,
  DependencyNotFound,
  SelfDependency,
  DependencyCycle,
  ClaimLost,
  CardIsClaimed,
  CardIsDone,
  TooManyLabels,
  CommandIdConflict
])

/** A rule of the backlog that refused a command. */
export type Rejection = typeof Rejection.Type

/** Formats a path of cards for people. Omits the middle of a long path. */
export const formatPath = (path: ReadonlyArray<string>): string =>
  path.length <= 12
    ? path.join(" → ")
    : `${path.slice(0, 6).join(" → ")} → … ${path.length - 10} more … → ${path.slice(-4).join(" → ")}`

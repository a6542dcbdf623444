import { Schema } from "effect"
import { Name } from "../../domain/Text.ts"
import { quote } from "../../domain/displayText.ts"
import { AccessRole, isUnder } from "./AccessRole.ts"

/** A token by which a server knows who calls. The secret is not in it. */
export const AccessToken = Schema.Struct({
  /** What the token is called where it is listed or revoked; the second part of the token itself. */
  id: Schema.String,
  /** Who every event is by that is caused with it. */
  actor: Name,
  role: AccessRole,
  createdAt: Schema.DateTimeUtcFromString,
  createdBy: Name,
  /** When it is no longer taken; `null` for never. */
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedBy: Schema.NullOr(Name),
  /** When it was used last, to some minutes. */
  lastUsedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** A token by which a server knows who calls. */
export interface AccessToken extends Schema.Schema.Type<typeof AccessToken> {}

/** What a token is made of. */
export const NewAccessToken = Schema.Struct({
  actor: Name,
  role: AccessRole,
  /** Days, and parts of days, after which it is no longer taken; never when absent. */
  expiresInDays: Schema.optional(Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(3650))),
  /** Who makes it. */
  createdBy: Name
})

/**
 * A token would let a worker act for another token's holder: one of the two is a worker, and the other's name is under its
 * name. Nothing was created.
 */
export class AccessTokenConflict extends Schema.TaggedError<AccessTokenConflict>()("AccessTokenConflict", {
  /** Whose token was to be created. */
  actor: Name,
  /** Whose token exists. */
  holder: Name,
  /** The id of that token. */
  id: Schema.String
}) {
  override get message(): string {
    const isLower = isUnder(this.actor, this.holder)
    const [worker, other] = isLower ? [this.holder, this.actor] : [this.actor, this.holder]
    const example = isLower ? `, such as ${quote(this.actor.replaceAll("/", "-"))},` : ""
    return (
      `${quote(this.actor)} cannot have a token while token ${this.id} of ${quote(this.holder)} is valid: the worker ` +
      `${quote(worker)} acts for every owner under its name, and ${quote(other)} is one. Choose another name${example} ` +
      `or revoke that token.`
    )
  }
}

/** There is no token of this id. */
export class AccessTokenNotFound extends Schema.TaggedError<AccessTokenNotFound>()("AccessTokenNotFound", {
  id: Schema.String
}) {
  override get message(): string {
    return `There is no token ${JSON.stringify(this.id)}.`
  }
}

/** What was shown as a token is none that is taken. */
export class AccessTokenRefused extends Schema.TaggedError<AccessTokenRefused>()("AccessTokenRefused", {
  /** Whether it is no token at all, or none that is taken now. */
  reason: Schema.Literals(["malformed", "notValid"])
}) {
  override get message(): string {
    return this.reason === "malformed"
      ? "What was shown is no token: one begins with mbk_, and ends with a checksum, which does not fit."
      : "The token is not taken: there is none like it, it has expired, or it was revoked."
  }
}

import { Schema } from "effect"
import { Name } from "../../domain/Text.ts"
import { quote } from "../../domain/displayText.ts"
import { AccessRole, isUnder } from "./AccessRole.ts"

/** An access token of a served backlog, without its secret. */
export const AccessToken = Schema.Struct({
  /** Identifies the token in lists and for revocation. It is the second part of the secret. */
  id: Schema.String,
  /** The actor of every event that is caused with the token. */
  actor: Name,
  role: AccessRole,
  createdAt: Schema.DateTimeUtcFromString,
  createdBy: Name,
  /** The time at which it expires; null if it never expires. */
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedBy: Schema.NullOr(Name),
  /** The time of its last use, accurate to some minutes; null if it was never used. */
  lastUsedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** An access token of a served backlog, without its secret. */
export interface AccessToken extends Schema.Schema.Type<typeof AccessToken> {}

/** The input of `AccessTokens.create`. */
export interface NewAccessTokenInput {
  /** The actor of every event that is caused with the token. */
  readonly actor: string
  /** The permissions of the holder. */
  readonly role: AccessRole
  /** Days until the token expires: more than 0, at most 3,650, fractions included. Defaults to none: it never expires. */
  readonly expiresInDays?: number | undefined
  /** The actor that creates the token. */
  readonly createdBy: string
}

/** The input of `AccessTokens.create`. */
export const NewAccessToken = Schema.Struct({
  actor: Name,
  role: AccessRole,
  expiresInDays: Schema.optional(Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(3650))),
  createdBy: Name
})

/**
 * With this token a worker could act for the holder of another token: one of the two is a worker, and the name of the other
 * is under its name. Nothing was created.
 *
 * What to do: choose another actor, or revoke the existing token.
 */
export class AccessTokenConflict extends Schema.TaggedError<AccessTokenConflict>()("AccessTokenConflict", {
  /** The actor of the refused token. */
  actor: Name,
  /** The actor of the existing token. */
  holder: Name,
  /** The id of the existing token. */
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

/**
 * No token has this id.
 *
 * What to do: check the id. `backlog token list` shows the tokens.
 */
export class AccessTokenNotFound extends Schema.TaggedError<AccessTokenNotFound>()("AccessTokenNotFound", {
  id: Schema.String
}) {
  override get message(): string {
    return `There is no token ${JSON.stringify(this.id)}.`
  }
}

/**
 * A caller sent a secret that does not belong to a valid token.
 *
 * What to do: create another token with `backlog token create`.
 */
export class AccessTokenRefused extends Schema.TaggedError<AccessTokenRefused>()("AccessTokenRefused", {
  /** `malformed`: the text is not a secret. `notValid`: its token does not exist, has expired or was revoked. */
  reason: Schema.Literals(["malformed", "notValid"])
}) {
  override get message(): string {
    return this.reason === "malformed"
      ? "This is not an access token: a token begins with mbk_ and ends with a checksum, which does not match."
      : "The access token is not valid: it does not exist, has expired or was revoked."
  }
}

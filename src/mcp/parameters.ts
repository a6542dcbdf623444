import { Schema } from "effect"

/*
 * What tools take, as it is listed to agents: types and a few words. Lengths, ranges and characters are the services' to
 * check, which say what was wrong and where.
 */

const described = <S extends Schema.Top>(schema: S, description: string | undefined): S["Rebuild"] =>
  schema.annotate(description === undefined ? {} : { description })

/** A text. */
export const text = (description?: string) => described(Schema.String, description)

/** A whole number. */
export const whole = (description?: string) => described(Schema.Int, description)

/** Yes or no. */
export const flag = (description?: string) => described(Schema.Boolean, description)

/** Any JSON. */
export const json = (description?: string) => described(Schema.Unknown, description)

/** Several texts. */
export const texts = (description?: string) => described(Schema.Array(Schema.String), description)

/** One of some words. */
export const oneOf = <const Words extends ReadonlyArray<string>>(words: Words, description?: string) =>
  described(Schema.Literals(words), description)

/** The card that is meant. */
export const card = { id: text() }

/** The claim that is meant. */
export const claim = { ...card, token: whole("The claim's token") }

/** Which cards a claim chooses among, and for how long it takes one. */
export const choice = {
  phase: Schema.optional(text("Only cards of this phase")),
  minPriority: Schema.optional(whole())
}

/** How long a claim lasts. */
export const ttl = { ttlSeconds: Schema.optional(whole("Lease; default 900")) }

/** The name under which a command is carried out once. */
export const commandId = {
  commandId: Schema.optional(text("Makes a retry safe: same id, same answer"))
}

import { Cause } from "effect"
import { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { databaseErrorText } from "../sql/databaseErrors.ts"
import { sanitize } from "../sql/sanitize.ts"

/** Characters of a failure that are kept: enough to see what it was, and far from what a reason may have. */
const longest = 2_000

/** What is not for lines of text: control characters but line breaks and tabs. */
const unprintable = /[^\P{Cc}\n\t]/gu

/**
 * Why an attempt failed, as text that is kept with the card, without tokens, passwords and content of a database's rows: what
 * comes first and what comes last of it.
 */
export const failureText = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "it interrupted itself"
  const text = readable(Cause.squash(cause))
  if (text.length <= longest) return text
  const half = longest / 2
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`
}

const readable = (error: unknown): string => {
  const text = redactSecrets(textOf(error)).toWellFormed().replace(unprintable, "").trim()
  return text === "" ? "it did not say why" : text
}

const textOf = (error: unknown): string => {
  try {
    if (typeof error === "string") return error
    if (SqlError.isSqlError(error)) return databaseErrorText(error)
    if (error instanceof Error) {
      return error.message === "" ? error.name : error.message
    }
    return JSON.stringify(sanitize(error)) ?? String(error)
  } catch {
    return "it failed with what cannot be shown"
  }
}

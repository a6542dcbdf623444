import { Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Name } from "../../domain/Text.ts"

/** What is said about an endpoint, in a line and then in more words. */
export const about = (summary: string, description?: string) =>
  OpenApi.annotations(description === undefined ? { summary } : { summary, description })

/** A retry with the same key and the same body gets the first answer, and nothing is done twice. */
export const idempotency = { "idempotency-key": Schema.optionalKey(Name) }

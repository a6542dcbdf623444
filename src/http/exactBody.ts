import { Effect, Result } from "effect"
import type { HttpServerRequest } from "effect/http"
import { isUtf8 } from "node:buffer"
import { jsonProblemText, parseExactJson } from "../domain/exactJson.ts"
import { InvalidInput } from "../index.ts"

/**
 * Refuses a JSON body that would not be kept as it was sent: a number that a double does not hold, a key that is there
 * twice, bytes that are not UTF-8. The endpoint reads the same body afterwards.
 */
export const exactBody = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, InvalidInput> => {
  if (request.method !== "POST" || !isJson(request.headers["content-type"])) return Effect.void
  return Effect.gen(function* () {
    // A body that is too large, or breaks off, is answered as everywhere.
    if (!isUtf8(yield* Effect.orDie(request.arrayBuffer))) return yield* refused("it is not UTF-8")
    const text = yield* Effect.orDie(request.text)
    if (text === "") return
    const parsed = parseExactJson(text)
    if (Result.isFailure(parsed)) return yield* refused(jsonProblemText(parsed.failure))
  })
}

const refused = (problem: string) => new InvalidInput({ problem: `the body is not JSON that can be kept: ${problem}` })

/** A body without a type is taken for JSON. */
const isJson = (contentType = "application/json"): boolean => /^\s*application\/json\s*(?:;|$)/i.test(contentType)

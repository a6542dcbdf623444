import { Effect, Result, Schema, SchemaIssue, Stream } from "effect"
import type { HttpClientError, HttpClientResponse } from "effect/http"
import { jsonProblemText, parseExactJson } from "../../domain/exactJson.ts"

/**
 * Refuses an answer of a server in which a number would be changed, or which has a key twice: in a JSON body, and in each
 * line or server-sent event of a stream.
 */
export const exactAnswer = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const [type = ""] = (response.headers["content-type"] ?? "").split(";")
  switch (type.trim()) {
    case "application/json":
    case "application/problem+json":
      return Effect.flatMap(response.text, (text) => {
        const error = problemOf(text)
        return error === undefined ? Effect.succeed(response) : Effect.fail(error)
      })
    case "application/x-ndjson":
      return Effect.succeed(withStream(response, (line) => line))
    case "text/event-stream":
      return Effect.succeed(withStream(response, (line) => /^data: ?(.*)$/s.exec(line)?.[1] ?? ""))
    default:
      return Effect.succeed(response)
  }
}

/** Told as every answer that cannot be understood. */
const problemOf = (text: string): HttpClientError.HttpClientError | undefined => {
  if (text === "") return undefined
  const parsed = parseExactJson(text)
  if (Result.isSuccess(parsed)) return undefined
  const message = `it is not JSON that can be kept: ${jsonProblemText(parsed.failure)}`
  return new Schema.SchemaError(new SchemaIssue.InvalidValue({ message })) as unknown as HttpClientError.HttpClientError
}

/** A response whose lines are checked as they are read. */
const withStream = (
  response: HttpClientResponse.HttpClientResponse,
  jsonIn: (line: string) => string
): HttpClientResponse.HttpClientResponse => {
  const stream = Stream.suspend(() => {
    const decoder = new TextDecoder()
    let rest = ""
    const check = (text: string): HttpClientError.HttpClientError | undefined => {
      rest += text
      for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
        const error = problemOf(jsonIn(rest.slice(0, end).replace(/\r$/, "")))
        if (error !== undefined) return error
        rest = rest.slice(end + 1)
      }
      return undefined
    }
    return Stream.mapEffect(response.stream, (bytes) => {
      const error = check(decoder.decode(bytes, { stream: true }))
      return error === undefined ? Effect.succeed(bytes) : Effect.fail(error)
    })
  })
  return Object.create(response, { stream: { value: stream } }) as HttpClientResponse.HttpClientResponse
}

import { Effect, Result } from "effect"
import { HttpServerError, type HttpServerRequest } from "effect/http"
import { isUtf8 } from "node:buffer"
import { BodyTooLarge } from "./errors.ts"
import { CurrentIncomingRequest, IncomingBodyTooLarge } from "./node/IncomingRequest.ts"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { InvalidInput } from "../index.ts"

/** The media type of a header `Content-Type`. A body without a content type is read as JSON. */
export const mediaTypeOf = (contentType = jsonType): string => {
  const [type = ""] = contentType.split(";", 1)
  return type.trim().toLowerCase()
}

/** The media type of JSON. */
export const jsonType = "application/json"

/** Whether the body of a request is JSON. */
export const hasJsonBody = ({ headers, method }: HttpServerRequest.HttpServerRequest): boolean =>
  method === "POST" && (headers["content-type"] === jsonType || mediaTypeOf(headers["content-type"]) === jsonType)

/**
 * Reads the JSON of a request's body; `undefined` for an empty body. Refuses JSON that would not be kept exactly: a number
 * that a double cannot represent, a repeated key, or bytes that are not UTF-8. A body that ends early is a defect, to which the
 * outer server responds.
 */
export const readJsonBody = (
  request: HttpServerRequest.HttpServerRequest,
  limitBytes: number
): Effect.Effect<unknown, InvalidInput | BodyTooLarge> =>
  Effect.flatMap(CurrentIncomingRequest, ({ body }) =>
    body === undefined
      ? Effect.undefined
      : Effect.matchEffect(body.read(limitBytes), {
          onSuccess: parseBody,
          onFailure: (cause): Effect.Effect<never, BodyTooLarge> =>
            cause instanceof IncomingBodyTooLarge
              ? Effect.fail(new BodyTooLarge({ limitBytes }))
              : Effect.die(
                  new HttpServerError.HttpServerError({
                    reason: new HttpServerError.RequestParseError({ request, reason: "Parse", cause })
                  })
                )
        })
  )

const decoder = new TextDecoder()

const parseBody = (bytes: Uint8Array): Effect.Effect<unknown, InvalidInput> => {
  if (!isUtf8(bytes)) return inexactBody("it is not UTF-8")
  const text = decoder.decode(bytes)
  if (text === "") return Effect.undefined
  const parsed = parseExactJson(text)
  return Result.isFailure(parsed)
    ? inexactBody(describeJsonProblem(parsed.failure))
    : Effect.succeed<unknown>(parsed.success)
}

const inexactBody = (problem: string) =>
  new InvalidInput({ problem: `the body is not JSON that can be stored: ${problem}` })

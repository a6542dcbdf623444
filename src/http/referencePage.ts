import { Context, Effect, Layer } from "effect"
import { HttpBody, HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger } from "effect/http-api"
import { BacklogApi } from "./api/BacklogApi.ts"
import { CurrentIncomingRequest } from "./node/IncomingRequest.ts"

/** The path of the reference page. */
export const referencePath = "/docs"

/** The page loads nothing from elsewhere, and sends requests to this server only. */
const policy = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "font-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

/** The API reference for people: one page with its own scripts and styles, rendered on the first request. */
export const layerReferencePage: Layer.Layer<never, never, HttpRouter.HttpRouter> = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const scope = yield* Effect.scope
    const page = yield* Effect.cached(
      Effect.map(
        Layer.buildWithScope(
          Layer.provideMerge(HttpApiSwagger.layer(BacklogApi, { path: referencePath }), HttpRouter.layer),
          scope
        ),
        (built) => Context.get(built, HttpRouter.HttpRouter).asHttpEffect()
      )
    )
    yield* router.add(
      "GET",
      referencePath,
      Effect.zipWith(Effect.orDie(Effect.flatten(page)), CurrentIncomingRequest, (response, { prefix }) =>
        HttpServerResponse.setHeader(withPrefix(response, prefix), "content-security-policy", policy)
      )
    )
  })
)

/** The page of a server behind a proxy that removes a prefix from the path. */
const withPrefix = (
  response: HttpServerResponse.HttpServerResponse,
  prefix: string
): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (prefix === "" || body._tag !== "Uint8Array") return response
  const page = new TextDecoder().decode(body.body)
  return HttpServerResponse.setBody(
    response,
    HttpBody.text(page.replace('"servers":[{"url":"/"', `"servers":[{"url":"${prefix}"`), body.contentType)
  )
}

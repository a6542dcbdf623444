import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger } from "effect/http-api"
import { BacklogApi } from "./api/BacklogApi.ts"

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
      Effect.map(Effect.orDie(Effect.flatten(page)), HttpServerResponse.setHeader("content-security-policy", policy))
    )
  })
)

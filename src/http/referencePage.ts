import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger } from "effect/http-api"
import { BacklogApi } from "./api/BacklogApi.ts"

/** Where the reference is. */
export const referencePath = "/docs"

/** What the page may load: nothing that is not in it, and answers of this server. */
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

/** The reference for people: one page with its own scripts and styles, made when it is first asked for. */
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

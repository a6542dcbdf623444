import { Context, Effect, Layer } from "effect"
import { HttpApiMiddleware } from "effect/http-api"

/** What a caller may do, as in the database: read; work on cards and consume events too; everything. */
export type CallerRole = "auditor" | "writer" | "owner"

/** Who calls an endpoint. */
export class Caller extends Context.Service<
  Caller,
  {
    /** Who the events are by, whatever the command says; `undefined` when the command says it. */
    readonly actor: string | undefined
    readonly role: CallerRole
  }
>()("mosaic-backlog/http/Caller") {}

/** Finds out who calls, before anything of the request's body is read. */
export class Callers extends HttpApiMiddleware.Service<Callers, { provides: Caller }>()(
  "mosaic-backlog/http/Callers"
) {}

/** Everybody may do everything, and says who he is: for a server that only this machine can reach. */
export const layerEverybody: Layer.Layer<Callers> = Layer.succeed(Callers, (httpEffect) =>
  Effect.provideService(httpEffect, Caller, { actor: undefined, role: "owner" })
)

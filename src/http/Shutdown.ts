import { Context, type Effect } from "effect"

/** The shutdown of the server. When it begins, waits end immediately, and commands in progress complete. */
export class Shutdown extends Context.Service<
  Shutdown,
  {
    /** Completes when the server begins to shut down. */
    readonly awaitShutdown: Effect.Effect<void>
  }
>()("mosaic-backlog/http/Shutdown") {}

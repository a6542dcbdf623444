import { Context, type Effect } from "effect"

/** The shutdown of the server. Waits end at once; commands in progress complete. */
export class Shutdown extends Context.Service<
  Shutdown,
  {
    /** Completes when the server begins to shut down. */
    readonly awaitShutdown: Effect.Effect<void>
  }
>()("mosaic-backlog/http/Shutdown") {}

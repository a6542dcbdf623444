import { Context, type Effect } from "effect"

/** That the server is about to end: what waits for something ends at once, what is being done is done. */
export class Shutdown extends Context.Service<
  Shutdown,
  {
    /** Waits until the server is about to end. */
    readonly awaitShutdown: Effect.Effect<void>
  }
>()("mosaic-backlog/http/Shutdown") {}

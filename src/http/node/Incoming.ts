import { Context } from "effect"

/** The body of a request, while it is on its way. */
export interface IncomingBody {
  readonly isOnItsWay: () => boolean
  /** Fails it for its reader. What still comes of it is discarded. */
  readonly fail: (error: Error) => void
}

/** What the server knows of a request before the request is routed. */
export interface Incoming {
  /** The path as every check compares it. */
  readonly path: string
  /** Why the request cannot be understood, if it cannot. */
  readonly problem: string | undefined
  /** Absent when the request has none. */
  readonly body: IncomingBody | undefined
  /** The address from which the connection comes, which is a proxy's where there is one. */
  readonly peer: string
}

/** What the server knows of the current request. */
export const CurrentIncoming: Context.Reference<Incoming> = Context.Reference<Incoming>(
  "mosaic-backlog/http/CurrentIncoming",
  { defaultValue: () => ({ path: "/", problem: "The request was not received.", body: undefined, peer: "" }) }
)

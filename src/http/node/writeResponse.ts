import { type Duration, Effect, Latch, Stream } from "effect"
import type { HttpServerResponse } from "effect/http"
import type { ServerResponse } from "node:http"
import { abandonBody, hasBody } from "./IncomingRequest.ts"

/** Options of `writeResponse`. */
export interface WriteOptions {
  /** Time that the client may read nothing before the connection is closed. */
  readonly writeTimeout: Duration.Input
  /** Whether to close the connection after the response. */
  readonly close: boolean
}

/** Writes a response, no faster than the client reads it. */
export const writeResponse = (
  response: HttpServerResponse.HttpServerResponse,
  to: ServerResponse,
  { close, writeTimeout }: WriteOptions
): Effect.Effect<void> => {
  if (to.destroyed || to.writableEnded) return Effect.void
  const { body } = response
  // The server would read the rest of an unread body as the next request.
  const isUnread = hasBody(to.req) && !to.req.complete
  to.writeHead(response.status, {
    ...response.headers,
    ...(body._tag === "Stream" ? unbuffered : {}),
    ...(close || isUnread ? { connection: "close" } : {})
  })
  const ended = Effect.andThen(
    isUnread ? discardBody(to) : Effect.void,
    Effect.sync(() => {
      to.end()
    })
  )
  if (to.req.method === "HEAD" || body._tag === "Empty") return ended
  switch (body._tag) {
    case "Uint8Array":
      if (!isUnread) {
        // Node writes a text together with the headers, and bytes after them.
        to.end(body.text ?? body.body)
        return Effect.void
      }
      to.write(body.body)
      return ended
    case "Stream":
      return writeStream(body.stream, to, writeTimeout).pipe(
        Effect.andThen(ended),
        // A truncated response must not look complete.
        Effect.onExit((exit) => (exit._tag === "Failure" ? Effect.sync(() => to.destroy()) : Effect.void))
      )
    case "Raw":
    case "FormData":
      return Effect.andThen(
        Effect.sync(() => to.destroy()),
        Effect.die(new Error(`a body of kind ${body._tag} cannot be written`))
      )
  }
}

/** Asks proxies to pass on a stream as it is written. nginx otherwise withholds the headers until its buffer is full. */
const unbuffered = { "x-accel-buffering": "no" }

/** Limits for discarding the rest of an unread body. */
const maxDiscardedBytes = 64 * 1024 * 1024
const discardTimeout = "2 seconds"

/** Reads what a client is still sending. A client whose connection is closed while it sends may not see the response. */
const discardBody = ({ req }: ServerResponse): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let bytes = 0
    const done = (): void => resume(Effect.void)
    abandonBody(req)
    req
      .on("data", (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxDiscardedBytes) done()
      })
      .on("end", done)
      .on("close", done)
      .resume()
  }).pipe(Effect.timeoutOption(discardTimeout), Effect.asVoid)

const writeStream = (stream: Stream.Stream<Uint8Array, unknown>, to: ServerResponse, timeout: Duration.Input) => {
  const drained = Latch.makeUnsafe()
  const open = (): void => {
    drained.openUnsafe()
  }
  to.on("drain", open).on("close", open)
  to.flushHeaders()
  return Effect.orDie(
    Stream.runForEachArray(stream, (chunks) => {
      drained.closeUnsafe()
      if (to.destroyed || to.write(Buffer.concat(chunks))) return Effect.void
      return Effect.timeoutOrElse(drained.await, {
        duration: timeout,
        orElse: () => Effect.interrupt
      })
    })
  )
}

import { type Duration, Effect, Latch, Stream } from "effect"
import type { HttpServerResponse } from "effect/http"
import type { ServerResponse } from "node:http"
import { abandonBody, hasBody } from "./IncomingRequest.ts"

/** How an answer is written. */
export interface WriteOptions {
  /** How long to wait for a reader who takes nothing, before hanging up. */
  readonly writeTimeout: Duration.Input
  /** Whether the connection shall not be used again. */
  readonly close: boolean
}

/** Writes an answer, no faster than it is read. */
export const writeResponse = (
  response: HttpServerResponse.HttpServerResponse,
  to: ServerResponse,
  { close, writeTimeout }: WriteOptions
): Effect.Effect<void> => {
  if (to.destroyed || to.writableEnded) return Effect.void
  const { body } = response
  // What is left of a body that nobody took would be taken for the next request.
  const isUnread = hasBody(to.req) && !to.req.complete
  to.writeHead(response.status, { ...response.headers, ...(close || isUnread ? { connection: "close" } : {}) })
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
        to.end(body.body)
        return Effect.void
      }
      to.write(body.body)
      return ended
    case "Stream":
      return writeStream(body.stream, to, writeTimeout).pipe(
        Effect.andThen(ended),
        // A part of an answer must not look like the whole.
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

/** Bytes of a body that nobody wants which are still taken, and for how long. */
const maxDiscardedBytes = 64 * 1024 * 1024
const discardTimeout = "2 seconds"

/** Takes what a client is still sending: one that is hung up on while it sends may never see the answer. */
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

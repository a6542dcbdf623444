import { Context, Option } from "effect"
import { Headers, HttpServerRequest } from "effect/http"
import type { IncomingMessage } from "node:http"

/** The body of a request, while it is on its way. */
export interface IncomingBody {
  readonly isReceiving: () => boolean
  /** Fails it for its reader. What still comes of it is discarded. */
  readonly fail: (error: Error) => void
}

/** What the server knows of a request before the request is routed. */
interface IncomingRequest {
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
export const CurrentIncomingRequest: Context.Reference<IncomingRequest> = Context.Reference<IncomingRequest>(
  "mosaic-backlog/http/CurrentIncoming",
  { defaultValue: () => ({ path: "/", problem: "The request was not received.", body: undefined, peer: "" }) }
)

/** Bytes of a body that wait to be taken. */
const maxBufferedBytes = 256 * 1024

/**
 * A request of Node's server as Effect's routers take it, by its target and with the address of its client; throws when it
 * is none that they know.
 */
export const toServerRequest = (
  message: IncomingMessage,
  url: string,
  client: string
): HttpServerRequest.HttpServerRequest => {
  const { method = "GET" } = message
  const body = hasBody(message) ? { body: toBodyStream(message), duplex: "half" as const } : {}
  const request = new Request(`http://localhost${url}`, { method, ...body })
  return HttpServerRequest.fromWeb(request).modify({
    headers: Headers.fromInput(message.headers as Record<string, string | ReadonlyArray<string>>),
    remoteAddress: client === "" ? Option.none() : Option.some(client)
  })
}

/** Whether a request has a body. */
export const hasBody = ({ headers, method }: IncomingMessage): boolean =>
  method !== "GET" &&
  method !== "HEAD" &&
  (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0)

const abandonCallbacks = new WeakMap<IncomingMessage, () => void>()
const failCallbacks = new WeakMap<IncomingMessage, (error: Error) => void>()

/** Says that nobody will take what is left of a request's body. */
export const abandonBody = (message: IncomingMessage): void => abandonCallbacks.get(message)?.()

/** The body of a request while it is on its way; `undefined` when it has none. */
export const incomingBodyOf = (message: IncomingMessage): IncomingBody | undefined =>
  hasBody(message)
    ? { isReceiving: () => !message.complete, fail: (error) => failCallbacks.get(message)?.(error) }
    : undefined

/** The body, no faster than it is taken. Who stops taking it leaves the connection as it is, for the answer. */
const toBodyStream = (message: IncomingMessage): ReadableStream<Uint8Array> => {
  let isOver = false
  abandonCallbacks.set(message, () => {
    isOver = true
  })
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const end = (finish: () => void) => (): void => {
          if (isOver) return
          isOver = true
          finish()
        }
        message.on("data", (chunk: Buffer) => {
          if (isOver) return
          controller.enqueue(chunk)
          if ((controller.desiredSize ?? 0) <= 0) message.pause()
        })
        message.on(
          "end",
          end(() => controller.close())
        )
        const fail = (error: Error): void => end(() => controller.error(error))()
        failCallbacks.set(message, fail)
        message.on("error", fail)
        message.on(
          "close",
          end(() => controller.error(new Error("the connection broke")))
        )
        message.pause()
      },
      pull: () => {
        message.resume()
      },
      cancel: () => {
        isOver = true
        message.pause()
      }
    },
    new ByteLengthQueuingStrategy({ highWaterMark: maxBufferedBytes })
  )
}

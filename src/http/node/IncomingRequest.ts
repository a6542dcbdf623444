import { Context, Option } from "effect"
import { Headers, HttpServerRequest } from "effect/http"
import type { IncomingMessage } from "node:http"

/** The body of a request while it arrives. */
export interface IncomingBody {
  readonly isReceiving: () => boolean
  /** Fails the body for its reader. Discards the rest. */
  readonly fail: (error: Error) => void
}

/** A request as the server received it, before it is routed. */
interface IncomingRequest {
  /** The path that every check compares. */
  readonly path: string
  /** Why the request is invalid. `undefined` if it is valid. */
  readonly problem: string | undefined
  /** The body. `undefined` if the request has none. */
  readonly body: IncomingBody | undefined
  /** The address of the connection: the client, or a proxy. */
  readonly peer: string
}

/** The current request as the server received it. */
export const CurrentIncomingRequest: Context.Reference<IncomingRequest> = Context.Reference<IncomingRequest>(
  "mosaic-backlog/http/CurrentIncoming",
  { defaultValue: () => ({ path: "/", problem: "The request was not received.", body: undefined, peer: "" }) }
)

/** Maximum number of unread bytes of a body. */
const maxBufferedBytes = 256 * 1024

/** Converts a request of Node's server to one of Effect's routers. Throws if the request is invalid there. */
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

/** Abandons the rest of a request's body. */
export const abandonBody = (message: IncomingMessage): void => abandonCallbacks.get(message)?.()

/** The body of a request while it arrives; `undefined` if the request has none. */
export const incomingBodyOf = (message: IncomingMessage): IncomingBody | undefined =>
  hasBody(message)
    ? { isReceiving: () => !message.complete, fail: (error) => failCallbacks.get(message)?.(error) }
    : undefined

/** The body as a stream with back pressure. Cancelling the stream leaves the connection open for the response. */
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
          end(() => controller.error(new Error("the connection was closed")))
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

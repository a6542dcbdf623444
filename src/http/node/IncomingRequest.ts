import { Context, Effect, Option } from "effect"
import { Headers, HttpServerRequest } from "effect/http"
import type { IncomingMessage } from "node:http"

/** The body of a request while it arrives. */
export interface IncomingBody {
  readonly isReceiving: () => boolean
  /** Reads a body of at most `limitBytes`, once. */
  readonly read: (limitBytes: number) => Effect.Effect<Uint8Array, Error>
  /** Fails the body for its reader. Discards the rest. */
  readonly fail: (error: Error) => void
}

/** The body of a request exceeds a limit that was given to `IncomingBody.read`. */
export class IncomingBodyTooLarge extends Error {}

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
  /** The beginning of the path that a trusted proxy removed: `/backlog`. Empty if there is none. */
  readonly prefix: string
}

/** The current request as the server received it. */
export const CurrentIncomingRequest: Context.Reference<IncomingRequest> = Context.Reference<IncomingRequest>(
  "mosaic-backlog/http/CurrentIncoming",
  {
    defaultValue: () => ({ path: "/", problem: "The request was not received.", body: undefined, peer: "", prefix: "" })
  }
)

/** Maximum number of unread bytes of a body. */
const maxBufferedBytes = 256 * 1024

/** Methods that have no request of the Fetch standard. */
const forbiddenMethods: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"])

const localOrigin = "http://localhost"

/** A target that the URL standard writes as it was sent: ASCII without white space, quotes, `#`, `<` and `>`. */
const normalTarget = /^[!$-&(-;=?-~]*$/

/** The target of a request as the URL standard writes it, with more characters encoded. The path has one spelling already. */
export const normalizeTarget = (url: string): string => {
  if (normalTarget.test(url)) return url
  return new URL(`${localOrigin}${url}`).href.slice(localOrigin.length)
}

/**
 * A request of the Fetch standard, as far as Effect's server requests use one. Node's real one takes as long as everything
 * else that the server does for a small request, so it is made only for those who read its body.
 */
class LazyRequest {
  readonly method: string
  readonly url: string
  readonly #message: IncomingMessage
  #request: Request | undefined

  constructor(message: IncomingMessage, method: string, url: string) {
    this.method = method
    this.url = url
    this.#message = message
  }

  get #made(): Request {
    return (this.#request ??= new Request(this.url, {
      method: this.method,
      ...(hasBody(this.#message) ? { body: toBodyStream(this.#message), duplex: "half" as const } : {})
    }))
  }

  get headers(): globalThis.Headers {
    return this.#made.headers
  }

  get body(): Request["body"] {
    return this.#made.body
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#made.arrayBuffer()
  }
}

/** Converts a request of Node's server to one of Effect's routers; `undefined` if the method is not allowed there. */
export const toServerRequest = (
  message: IncomingMessage,
  url: string,
  client: string
): HttpServerRequest.HttpServerRequest | undefined => {
  const { method = "GET" } = message
  if (forbiddenMethods.has(method)) return undefined
  const request = new LazyRequest(message, method, `${localOrigin}${normalizeTarget(url)}`)
  return HttpServerRequest.fromWeb(request as unknown as Request).modify({
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
    ? {
        isReceiving: () => !message.complete,
        read: (limitBytes) => readBody(message, limitBytes),
        fail: (error) => failCallbacks.get(message)?.(error)
      }
    : undefined

const readBody = (message: IncomingMessage, limitBytes: number): Effect.Effect<Uint8Array, Error> =>
  Effect.callback<Uint8Array, Error>((resume) => {
    const chunks: Array<Buffer> = []
    let bytes = 0
    const stop = (): void => {
      message.off("data", onData).off("end", onEnd).off("error", fail).off("close", onClose)
    }
    const fail = (error: Error): void => {
      stop()
      message.pause()
      resume(Effect.fail(error))
    }
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      bytes += chunk.length
      // The caller maps the errors of a stream.
      // @effect-diagnostics-next-line globalErrorInEffectFailure:off
      if (bytes > limitBytes) fail(new IncomingBodyTooLarge(`the body exceeds ${limitBytes} bytes`))
    }
    const onEnd = (): void => {
      stop()
      resume(Effect.succeed(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    }
    const onClose = (): void => fail(connectionClosed())
    failCallbacks.set(message, fail)
    if (message.destroyed) {
      onClose()
      return Effect.void
    }
    message.on("data", onData).on("end", onEnd).on("error", fail).on("close", onClose)
    return Effect.sync(stop)
  })

const connectionClosed = () => new Error("the connection was closed")

/** The body as a stream with back pressure. Canceling the stream leaves the connection open for the response. */
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
          end(() => controller.error(connectionClosed()))
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

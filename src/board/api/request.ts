import { observeServerTime } from "./serverClock.ts"
import { token } from "./token.ts"

/** Why a request did not succeed. */
export type FailureKind = "offline" | "unauthorized" | "forbidden" | "notFound" | "refused" | "busy" | "failed"

/** A problem of the server (RFC 9457): its tag, its message, and the fields of the error. */
export interface Problem {
  readonly _tag: string
  readonly detail: string
  readonly status: number
  readonly [member: string]: unknown
}

/** A request that did not succeed. `problem` is the server's, if it sent one. */
export class ApiFailure extends Error {
  readonly kind: FailureKind
  readonly problem: Problem | undefined
  /** How long the server asks to wait, in seconds; `undefined` if it does not ask. */
  readonly retryAfterSeconds: number | undefined

  constructor(kind: FailureKind, message: string, problem?: Problem, retryAfterSeconds?: number) {
    super(message)
    this.name = "ApiFailure"
    this.kind = kind
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Returns the failure of a request. An error of the page itself becomes a failure with its message. */
export const toFailure = (cause: unknown): ApiFailure =>
  cause instanceof ApiFailure ? cause : new ApiFailure("failed", `The board has a defect: ${String(cause)}`)

/** The parameters of a query. An array is a parameter that occurs several times. */
export type QueryParameters = Readonly<
  Record<string, string | number | boolean | ReadonlyArray<string | number> | undefined>
>

/** The folder of the page, which is the root of the API, also behind a proxy that removes a prefix. */
const root = new URL(".", document.baseURI)

/** The address of the server for programs, without the slash at its end. */
export const apiAddress = root.href.replace(/\/$/, "")

/** Returns the address of an endpoint, such as `list` or `backlog-at/cards`. */
export const addressOf = (path: string, query: QueryParameters = {}): string => {
  const address = new URL(path, root)
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const each of Array.isArray(value) ? value : [value]) address.searchParams.append(name, String(each))
  }
  return address.href
}

/**
 * Sends a request with the token of the session, and returns the response if its status says success. Fails with
 * `ApiFailure`; an aborted request rejects with the reason of its signal.
 */
export const send = async (path: string, query: QueryParameters, init: RequestInit): Promise<Response> => {
  const headers = new Headers(init.headers)
  if (token.value !== undefined) headers.set("authorization", `Bearer ${token.value}`)
  const sentAt = Date.now()
  let response: Response
  try {
    response = await fetch(addressOf(path, query), { cache: "no-store", credentials: "omit", ...init, headers })
  } catch (cause) {
    init.signal?.throwIfAborted()
    throw new ApiFailure("offline", `The server does not respond: ${String(cause)}`)
  }
  observeServerTime(response.headers.get("date"), sentAt, Date.now())
  if (!response.ok) throw await readFailure(response)
  return response
}

const kinds: Readonly<Record<number, FailureKind>> = {
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
  429: "busy",
  502: "offline",
  503: "busy",
  504: "offline"
}

const readFailure = async (response: Response): Promise<ApiFailure> => {
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined
  const kind = kinds[response.status] ?? (response.status < 500 ? "refused" : "failed")
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN)
  const detail = typeof problem?.detail === "string" ? problem.detail : `The server returned status ${response.status}.`
  return new ApiFailure(kind, detail, problem, Number.isFinite(retryAfter) ? retryAfter : undefined)
}

/** Returns the JSON of a query. */
export const getJson = async <A>(path: string, query: QueryParameters = {}, signal?: AbortSignal): Promise<A> =>
  (await (await send(path, query, signal === undefined ? {} : { signal })).json()) as A

/** Options of a request whose response is read line by line. */
export interface LineOptions {
  /** Stops reading, and closes the connection, after this many lines. Defaults to all lines. */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly init?: RequestInit | undefined
}

/**
 * Reads a response of newline-delimited JSON, line by line, and passes each document to `onLine`. A problem on the last line is
 * the failure of the request.
 */
export const readLines = async (
  path: string,
  query: QueryParameters,
  onLine: (line: unknown) => void,
  { init = {}, limit = Number.POSITIVE_INFINITY, signal }: LineOptions = {}
): Promise<void> => {
  const response = await send(path, query, { ...init, ...(signal === undefined ? {} : { signal }) })
  let count = 0
  for await (const line of splitLines(response)) {
    const document: unknown = JSON.parse(line)
    if (isProblem(document)) throw new ApiFailure("failed", document.detail, document)
    onLine(document)
    if (++count >= limit) return
  }
}

const isProblem = (document: unknown): document is Problem =>
  typeof document === "object" &&
  document !== null &&
  "type" in document &&
  String(document.type).startsWith("urn:mosaic-backlog:problem:")

/** Returns the documents of a response of newline-delimited JSON. */
export const getLines = async <A>(
  path: string,
  query: QueryParameters,
  options?: LineOptions
): Promise<ReadonlyArray<A>> => {
  const lines: Array<A> = []
  await readLines(path, query, (line) => lines.push(line as A), options)
  return lines
}

async function* splitLines(response: Response): AsyncGenerator<string> {
  for await (const { lines } of readText(response)) yield* lines
}

/** Yields the complete lines of a response as they arrive, without their ends. */
export async function* readText(response: Response): AsyncGenerator<{ readonly lines: ReadonlyArray<string> }> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let rest = ""
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      // Searching only the new part keeps a line of many megabytes from being searched again with each chunk.
      const end = value.lastIndexOf("\n")
      if (end === -1) {
        rest += value
      } else {
        const lines = (rest + value.slice(0, end)).split("\n")
        rest = value.slice(end + 1)
        yield { lines }
      }
    }
    if (rest !== "") yield { lines: [rest] }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/*
 * Messages between a client and Effect's MCP server, on both transports. Effect's server ends at some messages, answers others
 * without a cause, and announces features that no tool uses.
 */
import { Result } from "effect"
import { isUtf8 } from "node:buffer"
import { describeJsonProblem, type JsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { redactSecrets } from "../domain/redactSecrets.ts"

/** A message of a client after the checks that precede the protocol. */
export type CheckedMessage =
  | {
      readonly _tag: "Accepted"
      /** The message, without a byte order mark and without parameters that are `null`. */
      readonly bytes: Uint8Array
      readonly isBatch: boolean
    }
  | {
      readonly _tag: "Answered"
      /** The response to send instead, without a line feed. */
      readonly answer: string
      readonly problem: MessageProblem
    }

/** Why a message is refused before the protocol handles it. */
export type MessageProblem = "NotAMessage" | "InvalidCall" | "UnknownMethod"

type Members = Readonly<Record<string, unknown>>

/**
 * Checks a message. Answers one that is not JSON, that would not be kept exactly (a number or a byte would change, or a key is
 * repeated), or that is no message of JSON-RPC. The answer to a tool call is a result with an error, because agents see
 * results only.
 */
export const checkMessage = (sent: Uint8Array): CheckedMessage => {
  const bytes = withoutByteOrderMark(sent)
  if (!isUtf8(bytes)) return notAMessage(invalidRequest, "the message is not UTF-8")
  const text = new TextDecoder().decode(bytes)
  const parsed = parseExactJson(text)
  if (Result.isFailure(parsed)) return refuseJson(text, parsed.failure)
  return Array.isArray(parsed.success) ? checkBatch(parsed.success, bytes) : checkSingle(parsed.success, bytes)
}

/** Some clients write a byte order mark before their first message, or before each. */
export const withoutByteOrderMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

const refuseJson = (text: string, failure: JsonProblem): CheckedMessage => {
  const value = parseJson(text)
  if (value === undefined) return notAMessage(parseError, `the message is not JSON: ${describeJsonProblem(failure)}`)
  const problem = `the message is not JSON that can be stored: ${describeJsonProblem(failure)}`
  const { id, method } = isMembers(value) ? value : {}
  const isKnown = failure.pointer !== "/id" && isId(id)
  if (!isKnown) return notAMessage(invalidRequest, problem)
  return method === "tools/call" ? refusedCall(id, problem) : invalidCall(id, invalidRequest, problem)
}

const checkSingle = (value: unknown, bytes: Uint8Array): CheckedMessage => {
  const problem = problemOfMessage(value)
  if (problem !== undefined) return notAMessage(invalidRequest, problem)
  const message = value as Members
  const given = omitNullParameters(message)
  const answered = checkRequest(given)
  if (answered !== undefined) return answered
  return { _tag: "Accepted", bytes: given === message ? bytes : encodeLine(given), isBatch: false }
}

/** The members of a batch are checked like messages. The protocol handles their calls. */
const checkBatch = (messages: ReadonlyArray<unknown>, bytes: Uint8Array): CheckedMessage => {
  if (messages.length === 0) return notAMessage(invalidRequest, "the batch is empty")
  for (const [index, message] of messages.entries()) {
    const problem = problemOfMessage(message)
    if (problem !== undefined) return notAMessage(invalidRequest, `message ${index + 1} of the batch: ${problem}`)
  }
  const given = (messages as ReadonlyArray<Members>).map(omitNullParameters)
  const isChanged = given.some((message, index) => message !== messages[index])
  return { _tag: "Accepted", bytes: isChanged ? encodeLine(given) : bytes, isBatch: true }
}

/** What keeps a value from being a message of JSON-RPC. `undefined` for a message. */
const problemOfMessage = (value: unknown): string | undefined => {
  if (!isMembers(value)) return "a message is an object"
  if (value["jsonrpc"] !== "2.0") return 'the member jsonrpc must be "2.0"'
  if ("method" in value) {
    if (typeof value["method"] !== "string") return "the method must be a string"
    if ("id" in value && !isId(value["id"])) {
      return `the id must be a string or a number, not ${kindOf(value["id"])}. A notification has no id`
    }
    return undefined
  }
  return "id" in value && "result" in value !== "error" in value
    ? undefined
    : "the message is neither a request, nor a notification, nor a response"
}

/** Requests of features that this server does not have. Effect's server would answer them. */
const unknownMethods: ReadonlySet<string> = new Set(["completion/complete", "logging/setLevel", "subscriptions/listen"])

/** The answer to a request that no revision of the protocol accepts. `undefined` for every other message. */
const checkRequest = ({ id, method, params }: Members): CheckedMessage | undefined => {
  if (typeof method !== "string" || !isId(id)) return undefined
  if (unknownMethods.has(method)) {
    return { ...invalidCall(id, methodNotFound, `Method not found: ${method}`), problem: "UnknownMethod" }
  }
  if (params !== undefined && !isMembers(params)) {
    return invalidCall(id, invalidParams, `params must be an object, not ${kindOf(params)}`)
  }
  if (method !== "tools/call") return undefined
  const { arguments: args, name } = params ?? {}
  if (typeof name !== "string") return invalidCall(id, invalidParams, "params.name must be the name of a tool")
  return args === undefined || isMembers(args)
    ? undefined
    : refusedCall(id, `the arguments must be an object, not ${kindOf(args)}`)
}

/** Clients that must give every parameter give `null` for those that they would omit. No parameter of MCP may be `null`. */
const omitNullParameters = (message: Members): Members => {
  const { params, ...rest } = message
  if (params === null) return rest
  if (!isMembers(params) || !Object.values(params).includes(null)) return message
  return { ...rest, params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== null)) }
}

const parseError = -32700
const invalidRequest = -32600
const methodNotFound = -32601
const invalidParams = -32602

const notAMessage = (code: number, message: string): CheckedMessage => ({
  _tag: "Answered",
  answer: jsonRpcError(null, code, message),
  problem: "NotAMessage"
})

const invalidCall = (id: unknown, code: number, message: string) =>
  ({ _tag: "Answered", answer: jsonRpcError(id, code, message), problem: "InvalidCall" }) as const

const refusedCall = (id: unknown, problem: string): CheckedMessage => {
  const content = [{ type: "text", text: `Invalid input: ${problem}\nNothing was done.` }]
  return {
    _tag: "Answered",
    answer: JSON.stringify({ jsonrpc: "2.0", id, result: { content, isError: true } }),
    problem: "InvalidCall"
  }
}

/** An error of JSON-RPC. `id` is `null` if the request's id is not known. */
export const jsonRpcError = (id: unknown, code: number, message: string): string =>
  JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } })

/** The answer to a batch that the negotiated revision does not accept. */
export const batchRefusal = jsonRpcError(
  null,
  invalidRequest,
  "a batch is accepted only in a session of revision 2025-03-26, and without initialize. Send one message per request"
)

/** The answer to a line that exceeds the limit. */
export const tooLongRefusal = (limitBytes: number): string =>
  jsonRpcError(null, invalidRequest, `the message is too long: at most ${limitBytes} bytes are accepted`)

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isId = (id: unknown): id is string | number => typeof id === "string" || typeof id === "number"

const kindOf = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`

const encodeLine = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`)

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/**
 * The text of messages as the client gets it. Redacts access tokens in protocol errors, which repeat names that the client
 * sent, and removes features that the server does not have from its capabilities. Other messages may contain cards' text and
 * are returned unchanged. Messages are one line each, also as the data of server-sent events.
 */
export const toClientText = (text: string): string =>
  text.includes('"error"') || text.includes('"capabilities"') ? text.split("\n").map(toClientLine).join("\n") : text

const toClientLine = (line: string): string => {
  const json = line.replace(eventPrefix, "")
  const message = parseJson(json)
  if (!isMembers(message)) return line
  const { error, result } = message
  if (error !== undefined && result === undefined) return redactSecrets(line)
  if (!isMembers(result) || !isMembers(result["capabilities"])) return line
  const { completions: _, logging: __, ...capabilities } = result["capabilities"]
  // The list of tools never changes.
  const announced = { ...message, result: { ...result, capabilities: { ...capabilities, tools: {} } } }
  return `${line.slice(0, line.length - json.length)}${JSON.stringify(announced)}`
}

const eventPrefix = /^data: ?/

import { Result } from "effect"
import { isUtf8 } from "node:buffer"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"

/**
 * The answer to a message in which a number or a byte would be changed, or which has a key twice; `undefined` for any other.
 * A call of a tool gets a result that is an error, which agents are shown. What is not JSON is not answered here.
 */
export const answerToInexact = (bytes: Uint8Array): string | undefined => {
  if (!isUtf8(bytes)) return refusal(null, "the message is not UTF-8")
  const text = new TextDecoder().decode(bytes)
  const parsed = parseExactJson(text)
  if (Result.isSuccess(parsed)) return undefined
  const message = objectIn(text)
  if (message === undefined) return undefined
  const problem = `the message is not JSON that can be kept: ${describeJsonProblem(parsed.failure)}`
  const { id, method } = message
  const isKnown = parsed.failure.pointer !== "/id" && (typeof id === "string" || Number.isSafeInteger(id))
  if (!isKnown || method !== "tools/call") return refusal(isKnown ? id : null, problem)
  const content = [{ type: "text", text: `Invalid input: ${problem}\nNothing was done.` }]
  return JSON.stringify({ jsonrpc: "2.0", id, result: { content, isError: true } })
}

const refusal = (id: unknown, message: string): string =>
  JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32600, message } })

const objectIn = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

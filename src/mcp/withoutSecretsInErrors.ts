import { redactSecrets } from "../domain/redactSecrets.ts"

/**
 * Messages, a line each, with tokens replaced in those that are errors of the protocol: they repeat names that a client
 * made up. Other messages may hold texts of cards and are returned as they are.
 */
export const withoutSecretsInErrors = (text: string): string =>
  text.includes('"error"')
    ? text
        .split("\n")
        .map((line) => (isError(line) ? redactSecrets(line) : line))
        .join("\n")
    : text

/** Also as the data of a server-sent event. */
const isError = (line: string): boolean => {
  try {
    const message: unknown = JSON.parse(line.replace(/^data: ?/, ""))
    return typeof message === "object" && message !== null && "error" in message && !("result" in message)
  } catch {
    return false
  }
}

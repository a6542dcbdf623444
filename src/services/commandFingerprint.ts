import type { Command } from "../domain/Command.ts"
import type { Redact } from "../domain/Redaction.ts"
import { jsonHash } from "../events/ContentHash.ts"

/**
 * SHA-256 over a command's canonical JSON (RFC 8785), in hexadecimal: of everything that it says but its own id. Equal
 * for commands that say the same, in whatever order of members.
 */
export const fingerprintOf = (command: Command | (Redact & { readonly _tag: "Redact" })): string => {
  const { commandId: _, ...content } = command
  return jsonHash(JSON.parse(JSON.stringify(content)))
}

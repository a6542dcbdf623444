import { hash } from "node:crypto"
import type { Schema } from "effect"
import type { ClaimFilter, Command } from "../../domain/Command.ts"
import type { Redact } from "../../domain/Redaction.ts"
import { erasableFields, jsonHash } from "../../events/ContentHash.ts"

/** A command as receipts know it: with its tag. */
export type ReceiptedCommand = Command | (Redact & { readonly _tag: "Redact" })

/** Whose command it is, and its id. */
export type Identified = Pick<ReceiptedCommand, "actor"> & { readonly commandId: string }

/** Tells receipts apart: a command's id belongs to its actor. Neither can contain NUL. */
export const receiptKey = ({ actor, commandId }: Identified): string => `${actor}\u0000${commandId}`

/** What two commands under one id are compared by. All hashes are in hexadecimal. */
export interface CommandDigests {
  /** The command's tag. */
  readonly kind: ReceiptedCommand["_tag"]
  /**
   * SHA-256 over the command's canonical JSON (RFC 8785) without its id, in which `true` is in the place of every text that
   * may have to be erased. Such a text cannot be guessed from it.
   */
  readonly shape: string
  /** The same hash over the command with these texts. `undefined` where it has none: the shape covers the whole command. */
  readonly whole: string | undefined
}

/** Equal for commands that say the same, in whatever order of members. */
export const digestsOf = (command: ReceiptedCommand): CommandDigests => {
  const { commandId: _, ...content } = inStoredForm(command)
  const whole = JSON.parse(JSON.stringify(content)) as Schema.Json
  const shape = withoutTexts(whole)
  return {
    kind: command._tag,
    shape: jsonHash(shape),
    whole: shape === whole ? undefined : jsonHash(whole)
  }
}

/**
 * A command with the field names that stored digests cover. They are a storage format: a field that gets another name in
 * the API keeps its old one here, so that a retry after an upgrade finds its receipt.
 */
const inStoredForm = (command: ReceiptedCommand): ReceiptedCommand => {
  switch (command._tag) {
    case "Claim":
    case "ClaimMany":
      return withStoredPriority(command)
    case "Complete":
      return command.claimNext?.minPriority === undefined
        ? command
        : { ...command, claimNext: withStoredPriority(command.claimNext) }
    default:
      return command
  }
}

const withStoredPriority = <A extends ClaimFilter>(claim: A): A => {
  if (claim.minPriority === undefined) return claim
  const { minPriority: minimumPriority, ...others } = claim
  return { ...others, minimumPriority } as unknown as A
}

/** A copy with `true` for every erasable text at any depth; the value itself where it has none. */
const withoutTexts = (value: Schema.Json): Schema.Json => {
  if (typeof value !== "object" || value === null) return value
  let copy: Record<string, Schema.Json> | undefined
  const source = value as Schema.JsonObject
  for (const key of Object.keys(source)) {
    const member = source[key] as Schema.Json
    const isText = member !== null && erasableFields.has(key)
    const bare = isText ? true : withoutTexts(member)
    if (!isText && bare === member) continue
    copy ??= (Array.isArray(value) ? [...value] : { ...source }) as Record<string, Schema.Json>
    copy[key] = bare
  }
  return copy ?? value
}

/** Whether two commands say the same. */
export const saySame = (left: CommandDigests, right: CommandDigests): boolean =>
  left.kind === right.kind && left.shape === right.shape && left.whole === right.whole

/** What a receipt keeps of a hash over erasable text: SHA-256 of the salt's bytes and the hash's, in hexadecimal. */
export const salted = (salt: string, whole: string): string => hash("sha256", Buffer.from(salt + whole, "hex"), "hex")

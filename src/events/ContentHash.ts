import canonicalize from "canonicalize"
import type { Schema } from "effect"
import { hash, randomBytes } from "node:crypto"
import { ErasablePart } from "../domain/Event.ts"

/**
 * The parts of a payload that may have to be erased one day. In the content hash each stands as a salted SHA-256, so
 * that erasing it together with its salt leaves every hash valid and nothing to guess it by.
 */
export const erasableFields: ReadonlySet<string> = new Set(ErasablePart.literals)

/** The salt of an erasable part and the SHA-256 of salt and part, both in hexadecimal; without salt it was erased. */
export interface Commitment {
  readonly salt?: string
  readonly sha256: string
}

/** The commitments of a payload, by field. */
export type Commitments = Readonly<Record<string, Commitment>>

/** What a content hash is over, besides the commitments. Times are ISO-8601 in UTC with milliseconds. */
export interface HashedContent {
  readonly cardId: string
  readonly version: number
  readonly type: string
  readonly schemaVersion: number
  readonly data: Schema.JsonObject
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
  readonly occurredAt: string
  readonly recordedAt: string
}

const saltBytes = 16

/**
 * Salts of any other length are refused wherever a stored event is read: where salt and part meet must not be open to
 * choice, or the end of the one could become the beginning of the other under the same hash.
 */
export const saltPattern = new RegExp(`^[0-9a-f]{${saltBytes * 2}}$`)

/** Commits to every erasable part of a payload that is there, each with a new random salt. */
export const createCommitments = (data: Schema.JsonObject): Commitments => {
  const commitments: Record<string, Commitment> = {}
  for (const field of Object.keys(data)) {
    const value = data[field] as Schema.Json
    if (value !== null && erasableFields.has(field)) {
      const salt = newSalt()
      commitments[field] = { salt, sha256: commitmentHash(salt, value) }
    }
  }
  return commitments
}

const saltsAtOnce = 256
let randomness = Buffer.alloc(0)

/** 16 random bytes in hexadecimal. Drawing hundreds of salts at once costs what one costs. None is handed out twice. */
export const newSalt = (): string => {
  if (randomness.length === 0) randomness = randomBytes(saltBytes * saltsAtOnce)
  const salt = randomness.toString("hex", 0, saltBytes)
  randomness = randomness.subarray(saltBytes)
  return salt
}

/** SHA-256 over the salt's bytes and the canonical JSON (RFC 8785) of a value, in hexadecimal. */
export const commitmentHash = (salt: string, value: Schema.Json): string => {
  const json = typeof value === "string" && needsNoEscape.test(value) ? `"${value}"` : canonicalJson(value)
  // No character takes more than three bytes.
  const isShort = salt.length === saltBytes * 2 && saltBytes + json.length * 3 <= saltedText.length
  const salted = isShort ? saltedText : Buffer.allocUnsafe(salt.length / 2 + Buffer.byteLength(json))
  const start = salted.write(salt, "hex")
  return hash("sha256", salted.subarray(0, start + salted.write(json, start)), "hex")
}

/** Used again and again: nothing keeps it. */
const saltedText = Buffer.alloc(4096)

/**
 * SHA-256 over the canonical JSON (RFC 8785) of an event in which each committed part stands as its commitment, in
 * hexadecimal.
 */
export const contentHash = (content: HashedContent, commitments: Commitments): string =>
  hash("sha256", canonicalContent(content, commitments), "hex")

const canonicalContent = (content: HashedContent, commitments: Commitments): string =>
  canonicalParts(content, commitments).join(content.recordedAt)

/**
 * The canonical JSON of an event, without the time at which it is recorded, which belongs between the two parts. Its
 * members are known and stand here in their canonical order, which spares the general algorithm for all but values that
 * are arrays and objects themselves.
 */
export const canonicalParts = (
  content: Omit<HashedContent, "recordedAt">,
  commitments: Commitments
): readonly [before: string, after: string] => {
  const fields = Object.keys(commitments)
  const data: Record<string, unknown> = fields.length === 0 ? content.data : { ...content.data }
  for (const field of fields) data[field] = { sha256: commitments[field]?.sha256 }
  return [
    `{"actor":${quoted(content.actor)},"cardId":${quoted(content.cardId)},"causationId":${quoted(content.causationId)}` +
      `,"commandId":${quoted(content.commandId)},"correlationId":${quoted(content.correlationId)}` +
      `,"data":${canonicalMembers(data)},"occurredAt":${quoted(content.occurredAt)},"recordedAt":"`,
    `","schemaVersion":${content.schemaVersion},"type":${quoted(content.type)},"version":${content.version}}`
  ]
}

const needsNoEscape = /^[ !#-[\]-~]*$/

/** A text in JSON; most are names, which the general way takes twice as long for. */
const quoted = (text: string | null): string =>
  text !== null && text.length < 100 && needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text)

/** SHA-256 over the canonical JSON (RFC 8785) of a value, in hexadecimal. */
export const jsonHash = (value: Schema.Json): string => hash("sha256", canonicalJson(value), "hex")

/** SHA-256(previous chain hash ‖ content hash): each event's hash stands for everything before it. */
export const chainHash = (previous: Uint8Array, content: Uint8Array): Uint8Array =>
  hash("sha256", joined(previous, content), "buffer")

const twoHashes = new Uint8Array(64)

/** Both hashes in one place that is used again and again: nothing keeps it. */
const joined = (previous: Uint8Array, content: Uint8Array): Uint8Array => {
  if (previous.length !== 32 || content.length !== 32) return Buffer.concat([previous, content])
  twoHashes.set(previous)
  twoHashes.set(content, 32)
  return twoHashes
}

/** The chain hash of an empty log. */
export const emptyChainHash = "00".repeat(32)

/** The canonical JSON of an object most of whose members are texts and numbers. */
const canonicalMembers = (members: Record<string, unknown>): string => {
  let json = "{"
  for (const key of Object.keys(members).sort()) {
    const value = members[key]
    if (json.length > 1) json += ","
    json += `${quoted(key)}:${typeof value === "string" || value === null ? quoted(value) : canonicalJson(value)}`
  }
  return `${json}}`
}

const canonicalJson = (value: unknown): string => canonicalize(value) as string

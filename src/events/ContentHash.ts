/*
 * Storage format of the hashes, which must never change:
 *
 *     commitment    SHA-256(salt ‖ canonical JSON of the field)               for each erasable field, 16 bytes of salt
 *     content hash  SHA-256(canonical JSON of the event without position and hashes, in which each erasable field is
 *                   replaced by {"sha256": its commitment})
 *     chain hash    SHA-256(previous chain hash ‖ content hash)               the first one over 32 zero bytes
 *
 * Canonical JSON is RFC 8785. Erasing a field together with its salt leaves all hashes valid, and nothing to guess it by.
 * The database computes the same hashes for new events: see `append_and_project_v4` in migrations/0017_fewer_expressions.sql. Decisions 4
 * and 40 in docs/decisions/.
 */
import canonicalize from "canonicalize"
import type { Schema } from "effect"
import { hash, randomBytes } from "node:crypto"
import { ErasablePart } from "../domain/Event.ts"

/** The fields of payloads that a redaction can erase. */
export const erasableFields: ReadonlySet<string> = new Set(ErasablePart.literals)

/** The salt of an erasable field and the SHA-256 of salt and field, in hexadecimal. Without a salt the field is erased. */
export interface Commitment {
  readonly salt?: string
  readonly sha256: string
}

/** The commitments of a payload, by field. */
export type Commitments = Readonly<Record<string, Commitment>>

/** The content that a content hash covers, except for the commitments. Times are ISO-8601 in UTC with milliseconds. */
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
 * Salts of any other length are refused when a stored event is read. Otherwise the end of a salt could be moved to the
 * beginning of the field, or the reverse, under the same hash.
 */
export const saltPattern = new RegExp(`^[0-9a-f]{${saltBytes * 2}}$`)

/** Creates the commitments of a payload, one for each erasable field that is not null, each with a new random salt. */
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

/** Returns 16 random bytes in hexadecimal. Draws 256 salts at once, which costs as much as one, and uses each once. */
export const newSalt = (): string => {
  if (randomness.length === 0) randomness = randomBytes(saltBytes * saltsAtOnce)
  const salt = randomness.toString("hex", 0, saltBytes)
  randomness = randomness.subarray(saltBytes)
  return salt
}

/** SHA-256 over the salt's bytes and the canonical JSON (RFC 8785) of a value, in hexadecimal. */
export const commitmentHash = (salt: string, value: Schema.Json): string => {
  const json = typeof value === "string" && needsNoEscape.test(value) ? `"${value}"` : canonicalJson(value)
  // A UTF-16 unit takes at most three bytes of UTF-8.
  const isShort = salt.length === saltBytes * 2 && saltBytes + json.length * 3 <= saltedBuffer.length
  const salted = isShort ? saltedBuffer : Buffer.allocUnsafe(salt.length / 2 + Buffer.byteLength(json))
  const start = salted.write(salt, "hex")
  return hash("sha256", salted.subarray(0, start + salted.write(json, start)), "hex")
}

/** A reused buffer. Nothing keeps a reference to it. */
const saltedBuffer = Buffer.alloc(4096)

/**
 * The content hash of an event in hexadecimal: SHA-256 over its canonical JSON (RFC 8785), in which commitments replace the
 * committed fields.
 */
export const contentHash = (content: HashedContent, commitments: Commitments): string =>
  hash("sha256", canonicalContent(content, commitments), "hex")

const canonicalContent = (content: HashedContent, commitments: Commitments): string =>
  canonicalParts(content, commitments).join(content.recordedAt)

/**
 * The canonical JSON of an event before and after the time of recording. The members are known and written in canonical
 * order; the general algorithm is only used for values that are arrays or objects.
 */
export const canonicalParts = (
  content: Omit<HashedContent, "recordedAt">,
  commitments: Commitments
): readonly [before: string, after: string] => {
  const fields = Object.keys(commitments)
  const data: Record<string, unknown> = fields.length === 0 ? content.data : { ...content.data }
  for (const field of fields) data[field] = { sha256: commitments[field]?.sha256 }
  return [
    `{"actor":${quoteJson(content.actor)},"cardId":${quoteJson(content.cardId)},"causationId":${quoteJson(content.causationId)}` +
      `,"commandId":${quoteJson(content.commandId)},"correlationId":${quoteJson(content.correlationId)}` +
      `,"data":${canonicalMembers(data)},"occurredAt":${quoteJson(content.occurredAt)},"recordedAt":"`,
    `","schemaVersion":${content.schemaVersion},"type":${quoteJson(content.type)},"version":${content.version}}`
  ]
}

const needsNoEscape = /^[ !#-[\]-~]*$/

/** Formats a text as JSON, with a fast path for names. */
const quoteJson = (text: string | null): string =>
  text !== null && text.length < 100 && needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text)

/** SHA-256 over the canonical JSON (RFC 8785) of a value, in hexadecimal. */
export const jsonHash = (value: Schema.Json): string => hash("sha256", canonicalJson(value), "hex")

/** SHA-256(previous chain hash ‖ content hash): the chain hash of an event covers all earlier events. */
export const chainHash = (previous: Uint8Array, content: Uint8Array): Uint8Array =>
  hash("sha256", concatHashes(previous, content), "buffer")

const twoHashes = new Uint8Array(64)

/** Concatenates two hashes in a reused buffer. Nothing keeps a reference to it. */
const concatHashes = (previous: Uint8Array, content: Uint8Array): Uint8Array => {
  if (previous.length !== 32 || content.length !== 32) return Buffer.concat([previous, content])
  twoHashes.set(previous)
  twoHashes.set(content, 32)
  return twoHashes
}

/** The chain hash of an empty log. */
export const emptyChainHash = "00".repeat(32)

/** The canonical JSON (RFC 8785) of an object, with a fast path for texts. */
export const canonicalMembers = (members: Record<string, unknown>): string => {
  let json = "{"
  for (const key of Object.keys(members).sort()) {
    const value = members[key]
    if (json.length > 1) json += ","
    json += `${quoteJson(key)}:${typeof value === "string" || value === null ? quoteJson(value) : canonicalJson(value)}`
  }
  return `${json}}`
}

const canonicalJson = (value: unknown): string => canonicalize(value) as string

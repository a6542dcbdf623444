import canonicalize from "canonicalize"
import type { Schema } from "effect"
import { createHash, randomBytes } from "node:crypto"

/**
 * The parts of a payload that may have to be erased one day. In the content hash each stands as a salted SHA-256, so
 * that erasing it together with its salt leaves every hash valid and nothing to guess it by.
 */
const erasableFields: ReadonlySet<string> = new Set([
  "title",
  "body",
  "acceptance",
  "result",
  "reason",
  "blockedReason"
])

/** The salt of an erasable part and the SHA-256 of salt and part, both in hexadecimal. */
export interface Commitment {
  readonly salt: string
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

/** Commits to every erasable part of a payload that is there, each with a new random salt. */
export const commitTo = (data: Schema.JsonObject): Commitments => {
  const commitments: Record<string, Commitment> = {}
  for (const [field, value] of Object.entries(data)) {
    if (value !== null && erasableFields.has(field)) {
      const salt = randomBytes(saltBytes).toString("hex")
      commitments[field] = { salt, sha256: commitment(salt, value) }
    }
  }
  return commitments
}

/** SHA-256 over the salt's bytes and the canonical JSON (RFC 8785) of a value, in hexadecimal. */
export const commitment = (salt: string, value: Schema.Json): string =>
  createHash("sha256").update(salt, "hex").update(canonicalJson(value), "utf8").digest("hex")

/** SHA-256 over the canonical JSON (RFC 8785) of an event in which each committed part stands as its commitment. */
export const contentHash = (content: HashedContent, commitments: Commitments): Uint8Array => {
  const data: Record<string, unknown> = { ...content.data }
  for (const [field, { sha256 }] of Object.entries(commitments)) data[field] = { sha256 }
  return createHash("sha256")
    .update(canonicalJson({ ...content, data }), "utf8")
    .digest()
}

/** SHA-256(previous chain hash ‖ content hash): each event's hash stands for everything before it. */
export const chainHash = (previous: Uint8Array, content: Uint8Array): Uint8Array =>
  createHash("sha256").update(previous).update(content).digest()

const canonicalJson = (value: unknown): string => canonicalize(value) as string

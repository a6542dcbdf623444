import { createHash, randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"

/*
 * Format of a secret: `mbk_<id>_<256 random bits>_<checksum>`, in hexadecimal digits. The checksum (CRC-32) detects typing
 * errors without a query. The database stores the SHA-256 of the secret.
 */

/** Every secret begins with this, so that people and scanners for leaked secrets recognize it. */
const prefix = "mbk_"

const pattern = /^mbk_([0-9a-f]{16})_[0-9a-f]{64}_([0-9a-f]{8})$/

/** The parts of a new token. */
export interface NewTokenSecret {
  /** The public id. */
  readonly id: string
  /** The secret. */
  readonly text: string
  /** The hash that the database stores. */
  readonly hash: Buffer
}

/** Makes a secret of 256 random bits. */
export const makeTokenSecret = (): NewTokenSecret => {
  const id = randomBytes(8).toString("hex")
  const body = `${prefix}${id}_${randomBytes(32).toString("hex")}`
  const text = `${body}_${checksumOf(body)}`
  return { id, text, hash: hashTokenSecret(text) }
}

/** Parses the id of the token from its secret. Returns `undefined` when the text is not a complete, correct secret. */
export const parseTokenId = (text: string): string | undefined => {
  const [, id, checksum] = pattern.exec(text) ?? []
  return checksum === checksumOf(text.slice(0, -9)) ? id : undefined
}

/** Hashes a secret for storage. Its 256 random bits need neither a salt nor a slow hash. */
export const hashTokenSecret = (text: string): Buffer => createHash("sha256").update(text).digest()

const checksumOf = (body: string): string => crc32(body).toString(16).padStart(8, "0")

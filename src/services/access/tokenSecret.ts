import { createHash, randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"

/** What every token begins with, so that people, and programs that look for leaked secrets, know one when they see it. */
const prefix = "mbk_"

const pattern = /^mbk_([0-9a-f]{16})_[0-9a-f]{64}_([0-9a-f]{8})$/

/** A token that was just made. */
export interface NewTokenText {
  /** What it is called; no secret. */
  readonly id: string
  /** `mbk_<id>_<256 random bits>_<checksum>`, in hexadecimal digits. */
  readonly text: string
  readonly hash: Buffer
}

/** Makes a token of 256 random bits. */
export const makeTokenSecret = (): NewTokenText => {
  const id = randomBytes(8).toString("hex")
  const body = `${prefix}${id}_${randomBytes(32).toString("hex")}`
  const text = `${body}_${checksumOf(body)}`
  return { id, text, hash: hashTokenSecret(text) }
}

/** The id within a token; `undefined` for a text that is none, or in which something was mistyped or cut off. */
export const parseTokenId = (text: string): string | undefined => {
  const [, id, checksum] = pattern.exec(text) ?? []
  return checksum === checksumOf(text.slice(0, -9)) ? id : undefined
}

/** What is stored of a token. Its 256 random bits need no salt, and no slow hash. */
export const hashTokenSecret = (text: string): Buffer => createHash("sha256").update(text).digest()

const checksumOf = (body: string): string => crc32(body).toString(16).padStart(8, "0")

/*
 * Format: an anchor is one line of text, `mosaic-backlog-anchor 1 POSITION CHAIN-HASH TIME [SIGNATURE]`. The signature covers
 * the line before it. A file of anchors has one anchor a line; the last line may be incomplete after a crash.
 */
import { Result, Schema } from "effect"
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"

/**
 * The end of the log at a moment. An anchor is stored where users that can write to the log cannot change it. It later proves that
 * the log up to its position is unchanged, because the chain hash covers all earlier events.
 */
export const Anchor = Schema.Struct({
  /** The position of the last event; 0 for an empty log. */
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The chain hash at that position, in hexadecimal. */
  chainHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)),
  /** The time of the database when the anchor was taken. */
  at: Schema.DateTimeUtcFromString,
  /** The Ed25519 signature of the anchor's line, in base64url; null when it is not signed. */
  signature: Schema.NullOr(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{86}$/u)))
})

/** The end of the log at a moment. */
export interface Anchor extends Schema.Schema.Type<typeof Anchor> {}

/**
 * The text is not an anchor, the key cannot be used, or the signature is invalid; `problem` says which.
 *
 * What to do: pass the whole line of an anchor, and the key that belongs to it.
 */
export class AnchorRefused extends Schema.TaggedError<AnchorRefused>()("AnchorRefused", { problem: Schema.String }) {
  override get message(): string {
    return `The anchor is refused: ${this.problem}`
  }
}

const prefix = "mosaic-backlog-anchor 1"
const encode = Schema.encodeSync(Anchor)
const decode = Schema.decodeUnknownResult(Anchor)

/** Formats an anchor as one line of text. */
export const formatAnchor = (anchor: Anchor): string => {
  const { signature } = anchor
  return signature === null ? unsignedLine(anchor) : `${unsignedLine(anchor)} ${signature}`
}

const unsignedLine = (anchor: Anchor): string => {
  const { at, chainHash, position } = encode(anchor)
  return `${prefix} ${position} ${chainHash} ${at}`
}

/** Parses one line of text as an anchor. */
export const parseAnchor = (line: string): Result.Result<Anchor, AnchorRefused> => {
  const refused = new AnchorRefused({
    problem: `it is not a line of the form '${prefix} POSITION CHAIN-HASH TIME [SIGNATURE]'`
  })
  const text = typeof line === "string" ? line.trim() : ""
  const [, position, chainHash, at, signature = null] =
    /^mosaic-backlog-anchor 1 (0|[1-9]\d{0,15}) ([0-9a-f]{64}) (\S{1,40})(?: (\S+))?$/.exec(text) ?? []
  if (position === undefined) return Result.fail(refused)
  // A time can be written in many ways, and truncated. Only the form that `formatAnchor` writes is what was signed.
  return Result.filterOrFail(
    Result.mapError(decode({ position: Number(position), chainHash, at, signature }), () => refused),
    (anchor) => formatAnchor(anchor) === text,
    () => refused
  )
}

/** Signs an anchor with an Ed25519 private key in PEM. */
export const signAnchor = (anchor: Anchor, privateKey: string): Result.Result<Anchor, AnchorRefused> =>
  withKey("private", privateKey, createPrivateKey, (key) => ({
    ...anchor,
    signature: sign(null, Buffer.from(unsignedLine(anchor), "utf8"), key).toString("base64url")
  }))

/** Checks the signature of an anchor with an Ed25519 public key in PEM. An anchor without a signature is refused. */
export const checkSignature = (anchor: Anchor, publicKey: string): Result.Result<void, AnchorRefused> => {
  const { signature } = anchor
  if (signature === null)
    return Result.fail(new AnchorRefused({ problem: "it has no signature, and a public key was given" }))
  return Result.flatMap(
    withKey("public", publicKey, createPublicKey, (key) =>
      verify(null, Buffer.from(unsignedLine(anchor), "utf8"), key, Buffer.from(signature, "base64url"))
    ),
    (isValid) =>
      isValid
        ? Result.void
        : Result.fail(new AnchorRefused({ problem: "its signature does not match this public key" }))
  )
}

const withKey = <Key extends { readonly asymmetricKeyType?: string | undefined }, A>(
  kind: "private" | "public",
  pem: string,
  read: (pem: string) => Key,
  use: (key: Key) => A
): Result.Result<A, AnchorRefused> => {
  let key: Key
  try {
    key = read(pem)
  } catch {
    return Result.fail(new AnchorRefused({ problem: `the key is not a ${kind} key in PEM` }))
  }
  return key.asymmetricKeyType === "ed25519"
    ? Result.succeed(use(key))
    : Result.fail(new AnchorRefused({ problem: `the key is of type ${key.asymmetricKeyType}, and must be Ed25519` }))
}

/** The content of a file of anchors. */
export interface AnchorLines {
  /** The anchors in the order of their lines. */
  readonly anchors: ReadonlyArray<Anchor>
  /** Whether the last line is incomplete: a write was interrupted, and never reported as complete. */
  readonly isTruncated: boolean
}

/** A line that is not an anchor: its number, from 1, and the problem. */
interface InvalidAnchorLine {
  readonly line: number
  readonly problem: string
}

/** Parses a file of anchors. Each line must be an anchor or empty. */
export const parseAnchors = (text: string): Result.Result<AnchorLines, InvalidAnchorLine> => {
  const lines = text.split("\n")
  // The last line without a line feed.
  const rest = lines.pop() ?? ""
  const anchors: Array<Anchor> = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const parsed = parseAnchor(line)
    if (Result.isFailure(parsed)) return Result.fail({ line: index + 1, problem: parsed.failure.problem })
    anchors.push(parsed.success)
  }
  if (rest.trim() === "") return Result.succeed({ anchors, isTruncated: false })
  const last = parseUnterminatedLine(rest, anchors.at(-1))
  return Result.succeed(
    Result.isSuccess(last)
      ? { anchors: [...anchors, last.success], isTruncated: false }
      : { anchors, isTruncated: true }
  )
}

/** Parses a line without a line feed. After a signed anchor, a line without a signature is incomplete. */
const parseUnterminatedLine = (
  line: string,
  before: Anchor | undefined
): Result.Result<Anchor, AnchorRefused | undefined> =>
  Result.filterOrFail(
    parseAnchor(line),
    ({ signature }) => signature !== null || before === undefined || before.signature === null,
    () => undefined
  )

/** The anchor at the highest position, of several the last one. Processes that share a file may append out of order. */
export const newestAnchor = (anchors: ReadonlyArray<Anchor>): Anchor | undefined =>
  anchors.reduce<Anchor | undefined>(
    (newest, anchor) => (newest === undefined || anchor.position >= newest.position ? anchor : newest),
    undefined
  )

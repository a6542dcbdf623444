import { Result, Schema } from "effect"
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"

/** What is in a file of anchors. */
export interface AnchorLines {
  /** The anchors in the order of their lines. */
  readonly anchors: ReadonlyArray<Anchor>
  /** Whether the last line has no end and is no whole anchor: a write was cut short, and was never reported as done. */
  readonly isTruncated: boolean
}

/** A line that is not an anchor: its number, from 1, and why. */
interface WrongAnchorLine {
  readonly line: number
  readonly problem: string
}

/** Reads the lines of a file of anchors, all of which must be anchors; empty lines are passed over. */
export const parseAnchors = (text: string): Result.Result<AnchorLines, WrongAnchorLine> => {
  const lines = text.split("\n")
  // What comes after the last line's end.
  const rest = lines.pop() ?? ""
  const anchors: Array<Anchor> = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const parsed = parseAnchor(line)
    if (Result.isFailure(parsed)) return Result.fail({ line: index + 1, problem: parsed.failure.problem })
    anchors.push(parsed.success)
  }
  if (rest.trim() === "") return Result.succeed({ anchors, isTruncated: false })
  const last = wholeLine(rest, anchors.at(-1))
  return Result.succeed(
    Result.isSuccess(last)
      ? { anchors: [...anchors, last.success], isTruncated: false }
      : { anchors, isTruncated: true }
  )
}

/** A line without an end. One that follows a signed anchor and has no signature lost it with its end. */
const wholeLine = (line: string, before: Anchor | undefined): Result.Result<Anchor, AnchorRefused | undefined> =>
  Result.filterOrFail(
    parseAnchor(line),
    ({ signature }) => signature !== null || before === undefined || before.signature === null,
    () => undefined
  )

/** The anchor at the highest position, and of several the last: processes that share a file may append out of order. */
export const newestAnchor = (anchors: ReadonlyArray<Anchor>): Anchor | undefined =>
  anchors.reduce<Anchor | undefined>(
    (newest, anchor) => (newest === undefined || anchor.position >= newest.position ? anchor : newest),
    undefined
  )

/**
 * The end of a log at some moment, to be kept where nobody who can write to the log can change it. Whoever has it can
 * prove later that the log up to there is still the same: the chain hash stands for every event before it.
 */
export const Anchor = Schema.Struct({
  /** The last event's position; 0 for an empty log. */
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The chain hash at that position, in hexadecimal. */
  chainHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  /** The database's time when the log ended there. */
  at: Schema.DateTimeUtcFromString,
  /** An Ed25519 signature over the rest of the anchor's line, in base64url; null when it is not signed. */
  signature: Schema.NullOr(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{86}$/)))
})

/** The end of a log at some moment. */
export interface Anchor extends Schema.Schema.Type<typeof Anchor> {}

/** A text that is no anchor, a key that cannot be used, or a signature that does not hold: which one, in words. */
export class AnchorRefused extends Schema.TaggedError<AnchorRefused>()("AnchorRefused", { problem: Schema.String }) {
  override get message(): string {
    return `The anchor is refused: ${this.problem}`
  }
}

const prefix = "mosaic-backlog-anchor 1"
const encode = Schema.encodeSync(Anchor)
const decode = Schema.decodeUnknownResult(Anchor)

/** An anchor as one line of text. */
export const formatAnchor = (anchor: Anchor): string => {
  const { signature } = anchor
  return signature === null ? unsignedLine(anchor) : `${unsignedLine(anchor)} ${signature}`
}

const unsignedLine = (anchor: Anchor): string => {
  const { at, chainHash, position } = encode(anchor)
  return `${prefix} ${position} ${chainHash} ${at}`
}

/** Reads an anchor's line. */
export const parseAnchor = (line: string): Result.Result<Anchor, AnchorRefused> => {
  const refused = new AnchorRefused({
    problem: `it is not a line of the form '${prefix} POSITION CHAIN-HASH TIME [SIGNATURE]'`
  })
  const text = typeof line === "string" ? line.trim() : ""
  const [, position, chainHash, at, signature = null] =
    /^mosaic-backlog-anchor 1 (0|[1-9]\d{0,15}) ([0-9a-f]{64}) (\S{1,40})(?: (\S+))?$/.exec(text) ?? []
  if (position === undefined) return Result.fail(refused)
  // A time can be written in many ways, and cut off; what was signed is the one way in which an anchor writes it.
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

/** Checks an anchor's signature with an Ed25519 public key in PEM: one that is missing does not hold either. */
export const checkSignature = (anchor: Anchor, publicKey: string): Result.Result<void, AnchorRefused> => {
  const { signature } = anchor
  if (signature === null) return Result.fail(new AnchorRefused({ problem: "it is not signed, and a key was given" }))
  return Result.flatMap(
    withKey("public", publicKey, createPublicKey, (key) =>
      verify(null, Buffer.from(unsignedLine(anchor), "utf8"), key, Buffer.from(signature, "base64url"))
    ),
    (holds) =>
      holds ? Result.void : Result.fail(new AnchorRefused({ problem: "its signature is not by the owner of this key" }))
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

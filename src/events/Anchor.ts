import { Result, Schema } from "effect"
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"

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
export const anchorLine = (anchor: Anchor): string => {
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
    (anchor) => anchorLine(anchor) === text,
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

import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Result, Schema } from "effect"
import { generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto"
import { type Anchor, formatAnchor, checkSignature, parseAnchor, signAnchor } from "../../src/events/Anchor.ts"

const inPem = ({ privateKey, publicKey }: KeyPairKeyObjectResult) => ({
  privateKey: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  publicKey: String(publicKey.export({ type: "spki", format: "pem" }))
})

const ours = inPem(generateKeyPairSync("ed25519"))
const theirs = inPem(generateKeyPairSync("ed25519"))
const rsa = inPem(generateKeyPairSync("rsa", { modulusLength: 2048 }))

const anchor: Anchor = {
  position: 1_048_576,
  chainHash: "0123456789abcdef".repeat(4),
  at: DateTime.makeUnsafe("2026-02-28T23:59:59.999Z"),
  signature: null
}

const line = `mosaic-backlog-anchor 1 1048576 ${"0123456789abcdef".repeat(4)} 2026-02-28T23:59:59.999Z`

const problemOf = <A>(result: Result.Result<A, { readonly problem: string; readonly message: string }>): string => {
  if (Result.isSuccess(result)) throw new Error("it was not refused")
  expect(result.failure.message).toBe(`The anchor is refused: ${result.failure.problem}`)
  return result.failure.problem
}

const hex = "0123456789abcdef"
const Digit = Schema.Literals([...hex])
const start = Date.parse("1970-01-01T00:00:00Z")

const anchorArbitrary = Arbitrary.all({
  position: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
  digits: Arbitrary.array(Arbitrary.schema(Digit), { minLength: 64, maxLength: 64 }),
  milliseconds: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 42 }))),
  signed: Arbitrary.schema(Schema.Boolean)
})

describe("an anchor", () => {
  it("is one line with all of its fields", () => {
    expect(formatAnchor(anchor)).toBe(line)
    const signed = Result.getOrThrow(signAnchor(anchor, ours.privateKey))
    expect(formatAnchor(signed)).toBe(`${line} ${signed.signature}`)
    expect(signed).toEqual({ ...anchor, signature: expect.stringMatching(/^[A-Za-z0-9_-]{86}$/) })
  })

  it.prop(
    "is parsed from its line unchanged",
    [anchorArbitrary],
    ([{ digits, milliseconds, position, signed }]) => {
      const unsigned: Anchor = {
        position,
        chainHash: digits.join(""),
        at: DateTime.makeUnsafe(start + milliseconds),
        signature: null
      }
      const written = signed ? Result.getOrThrow(signAnchor(unsigned, ours.privateKey)) : unsigned
      const text = formatAnchor(written)
      expect(text).not.toContain("\n")
      for (const copied of [text, `${text}\n`, `  ${text}\r\n`]) {
        const parsed = Result.getOrThrow(parseAnchor(copied))
        expect(parsed).toEqual(written)
        expect(formatAnchor(parsed)).toBe(text)
        expect(Result.isSuccess(checkSignature(parsed, ours.publicKey))).toBe(signed)
      }
    },
    { arbitrary: { runs: 100 } }
  )

  it.each([
    "",
    "mosaic-backlog-anchor",
    line.slice(0, -1),
    line.replace(" 1 ", " 2 "),
    line.replace("1048576", "01048576"),
    line.replace("1048576", "-1"),
    line.replace("1048576", "1.5"),
    line.replace("1048576", "9999999999999999"),
    line.replace("0123", "01234"),
    line.replace("abcdef", "ABCDEF"),
    line.replace("2026-02-28T23:59:59.999Z", "yesterday"),
    line.replace("2026-02-28T23:59:59.999Z", "2026-02-29T00:00:00.000Z"),
    line.replace("2026-02-28T23:59:59.999Z", "2026-02-28T22:59:59.999-01:00"),
    line.replaceAll(" ", "  "),
    `${line} x`,
    `${line} ${"A".repeat(85)}`,
    `${line} ${"A".repeat(86)} more`,
    `${line}\n${line}`,
    JSON.stringify(anchor)
  ])("is not read from %j", (text) => {
    expect(problemOf(parseAnchor(text))).toContain("it is not a line of the form")
  })
})

describe("a signature", () => {
  const signed = Result.getOrThrow(signAnchor(anchor, ours.privateKey))

  it("is valid for the key of its owner only", () => {
    expect(checkSignature(signed, ours.publicKey)).toEqual(Result.void)
    expect(problemOf(checkSignature(signed, theirs.publicKey))).toBe("its signature does not match this public key")
  })

  it.each<[part: string, edited: Anchor]>([
    ["position", { ...signed, position: 1_048_577 }],
    ["chain hash", { ...signed, chainHash: `1${signed.chainHash.slice(1)}` }],
    ["time", { ...signed, at: DateTime.makeUnsafe("2026-02-28T23:59:59.998Z") }],
    [
      "signature",
      { ...signed, signature: signed.signature?.replace(/^./, (first) => (first === "A" ? "B" : "A")) ?? "" }
    ]
  ])("does not hold when the %s was edited", (_, edited) => {
    // Also after the edited anchor has been a line of text.
    for (const read of [edited, Result.getOrThrow(parseAnchor(formatAnchor(edited)))]) {
      expect(problemOf(checkSignature(read, ours.publicKey))).toBe("its signature does not match this public key")
    }
  })

  it("is required when a public key is given", () => {
    expect(problemOf(checkSignature(anchor, ours.publicKey))).toBe("it has no signature, and a public key was given")
  })

  it("is created and checked only with Ed25519 keys in PEM", () => {
    expect(problemOf(signAnchor(anchor, rsa.privateKey))).toBe("the key is of type rsa, and must be Ed25519")
    expect(problemOf(checkSignature(signed, rsa.publicKey))).toBe("the key is of type rsa, and must be Ed25519")
    expect(problemOf(signAnchor(anchor, "no key"))).toBe("the key is not a private key in PEM")
    expect(problemOf(signAnchor(anchor, ours.publicKey))).toBe("the key is not a private key in PEM")
    expect(problemOf(checkSignature(signed, "no key"))).toBe("the key is not a public key in PEM")
  })

  it("of an anchor that is already signed covers the same text", () => {
    expect(signAnchor(signed, ours.privateKey)).toEqual(Result.succeed(signed))
  })
})

import { Effect, Result, Stream } from "effect"
import { createPrivateKey, createPublicKey } from "node:crypto"
import { createReadStream } from "node:fs"
import { access, constants, stat } from "node:fs/promises"
import { ProcessIO } from "./ProcessIO.ts"
import { type JsonProblem, describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { readLinePages } from "../import/readLines.ts"
import { InvalidInput } from "../index.ts"
import { isSecretExposed } from "../services/files/privateFiles.ts"

/** More than any text of a card may have: what is longer is not read to its end. */
const maxTextBytes = 4 * 1024 * 1024

/** A whole text of at most `maximum` bytes; `what` says of which an error tells. */
export const readText = (
  what: string,
  open: () => AsyncIterable<Uint8Array>,
  maximum = maxTextBytes
): Effect.Effect<string, InvalidInput> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      for await (const chunk of open()) {
        bytes += chunk.length
        if (bytes > maximum) throw new Error(`it is longer than ${maximum} bytes`)
        chunks.push(chunk)
      }
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
    },
    catch: (error) => new InvalidInput({ problem: `${what} cannot be read: ${describeReadError(error)}` })
  })

const describeReadError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return "code" in error && error.code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8" : error.message
}

/** The text of a file. */
export const readTextFile = (flag: string, path: string): Effect.Effect<string, InvalidInput> =>
  readText(`what --${flag} names`, () => {
    if (path.includes("\u0000")) throw new Error("the path has a NUL character in it")
    return createReadStream(path)
  })

/** A text that a flag gives: `-` stands for standard input. */
export const readTextFlag = (flag: string, given: string | undefined) =>
  given === "-" ? readStdin(flag) : Effect.succeed(given)

const readStdin = (flag: string) =>
  Effect.flatMap(ProcessIO, ({ stdin }) => readText(`what --${flag} names`, () => stdin))

/** The JSON that a flag gives, whole or not at all: see `parseExactJson`. `-` stands for standard input. */
export const readJsonFlag = Effect.fnUntraced(function* (flag: string, given: string | undefined) {
  const text = yield* readTextFlag(flag, given)
  return text === undefined
    ? undefined
    : yield* Effect.fromResult(Result.mapError(parseExactJson(text), invalidJson(flag)))
})

const invalidJson = (flag: string) => (problem: JsonProblem) =>
  new InvalidInput({ problem: `--${flag} is not JSON that can be kept: ${describeJsonProblem(problem)}` })

/** The body of a card: `--body`, or the text of `--body-file`. */
export const readBody = Effect.fnUntraced(function* (body: string | undefined, file: string | undefined) {
  if (file === undefined) return yield* readTextFlag("body", body)
  if (body !== undefined) return yield* new InvalidInput({ problem: "give --body or --body-file, not both" })
  return yield* readTextFile("body-file", file)
})

/** Refuses more than one flag that reads standard input. */
export const checkOneStdinReader = (
  flags: Readonly<Record<string, string | undefined>>
): Effect.Effect<void, InvalidInput> => {
  const readers = Object.keys(flags).filter((name) => flags[name] === "-")
  return readers.length <= 1
    ? Effect.void
    : Effect.fail(
        new InvalidInput({
          problem: `only one of ${readers.map((name) => `--${name}`).join(" and ")} can read standard input`
        })
      )
}

/** The lines of the file that an argument names, read as they are taken; `-` stands for standard input. */
export const readLines = Effect.fnUntraced(function* (file: string) {
  const { stdin } = yield* ProcessIO
  if (file !== "-") yield* checkReadable(file)
  const unreadable = cannotBeRead(file)
  return Stream.suspend(() =>
    Stream.flattenArray(
      Stream.fromAsyncIterable(readLinePages(file === "-" ? stdin : createReadStream(file)), unreadable)
    )
  )
})

/** Refuses a file that cannot be read before anything else is done. */
const checkReadable = (file: string): Effect.Effect<void, InvalidInput> =>
  Effect.tryPromise({
    try: async () => {
      if ((await stat(file)).isDirectory()) throw new Error("it is a directory")
      await access(file, constants.R_OK)
    },
    catch: cannotBeRead(file)
  })

/** Returns an error for a file or folder that cannot be read. */
export const cannotBeRead = (file: string) => (error: unknown) =>
  new InvalidInput({
    problem: `${JSON.stringify(file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`
  })

/** The Ed25519 key in a file that a flag names, as PEM. A private key that other users can read is refused. */
export const readKeyFile = Effect.fnUntraced(function* (flag: string, path: string, kind: "private" | "public") {
  const pem = yield* readTextFile(flag, path)
  const refused = (problem: string) => new InvalidInput({ problem: `what --${flag} names ${problem}` })
  if (kind === "private" && isSecretExposed(path)) return yield* refused("can be read by other users: chmod 600")
  const key = yield* Effect.try({
    try: () => (kind === "private" ? createPrivateKey(pem) : createPublicKey(pem)),
    catch: () => refused(`is no ${kind} key in PEM`)
  })
  if (key.asymmetricKeyType !== "ed25519") {
    return yield* refused(`is a key of type ${key.asymmetricKeyType}, and must be Ed25519`)
  }
  return pem
})

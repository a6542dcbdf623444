import { Effect, Result, Stream } from "effect"
import { createPrivateKey, createPublicKey } from "node:crypto"
import { createReadStream } from "node:fs"
import { access, constants, stat } from "node:fs/promises"
import { describeJsonProblem, type JsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { readLinePages } from "../import/readLines.ts"
import { InvalidInput } from "../index.ts"
import { isSecretExposed } from "../services/files/privateFiles.ts"
import { ProcessIO } from "./ProcessIO.ts"

/** Maximum size of a text that is read, in bytes: larger than any text of a card. */
const maxTextBytes = 4 * 1024 * 1024

/** Reads a text of at most `maximum` bytes. `what` names the source in errors. */
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

/** Reads a text file that a flag names. */
export const readTextFile = (flag: string, path: string): Effect.Effect<string, InvalidInput> =>
  readText(`the file of --${flag}`, () => {
    if (path.includes("\u0000")) throw new Error("the path contains a NUL character")
    return createReadStream(path)
  })

/** Returns a flag's text. `-` reads standard input. */
export const readTextFlag = (flag: string, given: string | undefined) =>
  given === "-" ? readStdin(flag) : Effect.succeed(given)

const readStdin = (flag: string) =>
  Effect.flatMap(ProcessIO, ({ stdin }) => readText(`the file of --${flag}`, () => stdin))

/** Parses a flag's JSON with `parseExactJson`. `-` reads standard input. */
export const readJsonFlag = Effect.fnUntraced(function* (flag: string, given: string | undefined) {
  const text = yield* readTextFlag(flag, given)
  return text === undefined
    ? undefined
    : // PowerShell writes a byte order mark before a text that it pipes.
      yield* Effect.fromResult(Result.mapError(parseExactJson(text.replace(/^\ufeff/, "")), invalidJson(flag)))
})

const invalidJson = (flag: string) => (problem: JsonProblem) =>
  new InvalidInput({ problem: `--${flag} is not JSON that can be stored: ${describeJsonProblem(problem)}` })

/** Reads a card's body from `--body` or `--body-file`. */
export const readBody = Effect.fnUntraced(function* (body: string | undefined, file: string | undefined) {
  if (file === undefined) return yield* readTextFlag("body", body)
  if (body !== undefined) return yield* new InvalidInput({ problem: "give --body or --body-file, not both" })
  return yield* readTextFile("body-file", file)
})

/** Fails if more than one flag reads standard input. */
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

/** Streams the lines of a file. `-` reads standard input. `open` replaces how the file is opened. */
export const readLines = Effect.fnUntraced(function* (file: string, open?: () => AsyncIterable<Uint8Array>) {
  const { stdin } = yield* ProcessIO
  const start = open ?? (() => (file === "-" ? stdin : createReadStream(file)))
  if (file !== "-") yield* checkReadable(file)
  const unreadable = cannotBeRead(file)
  return Stream.suspend(() => Stream.flattenArray(Stream.fromAsyncIterable(readLinePages(start()), unreadable)))
})

/** Fails early if a file cannot be read. */
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

/** Reads an Ed25519 key from the PEM file that a flag names. Refuses a private key that other users can read. */
export const readKeyFile = Effect.fnUntraced(function* (flag: string, path: string, kind: "private" | "public") {
  const pem = yield* readTextFile(flag, path)
  const refused = (problem: string) => new InvalidInput({ problem: `the file of --${flag} ${problem}` })
  if (kind === "private" && isSecretExposed(path)) return yield* refused("can be read by other users: chmod 600")
  const key = yield* Effect.try({
    try: () => (kind === "private" ? createPrivateKey(pem) : createPublicKey(pem)),
    catch: () => refused(`is not a ${kind} key in PEM format`)
  })
  if (key.asymmetricKeyType !== "ed25519") {
    return yield* refused(`has a key of type ${key.asymmetricKeyType}, but it must be Ed25519`)
  }
  return pem
})

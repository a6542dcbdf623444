import { Effect } from "effect"
import { createReadStream } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, resolve } from "node:path"
import {
  type InputFormat,
  type Recognized,
  recognizeBytes,
  recognizedBytes,
  recognizeFolder
} from "../import/recognizeSource.ts"
import { InvalidInput } from "../index.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { cannotBeRead } from "./readInput.ts"

/** A file, a folder or standard input to import. */
export interface ImportInput {
  /** The path that was given; `-` for standard input. */
  readonly file: string
  /** Its name in the report. */
  readonly name: string
  readonly format: InputFormat
  /** Opens it from its beginning. Only once, unless it is a regular file. */
  readonly open: () => AsyncIterable<Uint8Array>
}

/**
 * Reads the beginning of an input and decides its format: the given one, or the one that its content shows. Defaults to beads.
 * Fails if the content is in another format than the given one, or in none.
 */
export const openInput = Effect.fnUntraced(function* (
  file: string,
  given: InputFormat | undefined
): Effect.fn.Return<ImportInput, InvalidInput, ProcessIO> {
  const { stdin } = yield* ProcessIO
  const name = file === "-" ? "standard input" : basename(resolve(file))
  const { isFolder, open, recognized } = yield* Effect.tryPromise({
    try: () => inspect(file, stdin),
    catch: cannotBeRead(file)
  })
  const refuse = (problem: string) =>
    new InvalidInput({
      problem: `${name} cannot be imported: ${given === "backlog-md" && !isFolder ? "it is not a folder: " : ""}${problem}`
    })
  if (recognized._tag === "Unknown") return { file, name, format: given ?? "beads", open }
  if (recognized._tag === "Unusable") return yield* refuse(`it is ${recognized.what}. ${recognized.advice}`)
  const { format } = recognized
  if (given === undefined || given === format) return { file, name, format, open }
  return yield* refuse(`it is ${described[format]}, not ${described[given]}. Use --format ${format}`)
})

const described: Readonly<Record<InputFormat, string>> = {
  beads: "a file of beads",
  "task-master": "a file of task-master",
  "backlog-md": "a folder of Backlog.md",
  log: "an exported log"
}

interface Inspected {
  readonly recognized: Recognized
  readonly isFolder: boolean
  readonly open: ImportInput["open"]
}

const inspect = async (file: string, stdin: AsyncIterable<Uint8Array>): Promise<Inspected> => {
  if (file === "-") return peek(stdin)
  // Whether the file can be read is reported when it is opened.
  const found = await fs.stat(file).catch(() => undefined)
  const open = () => createReadStream(file)
  if (found === undefined) return { recognized: { _tag: "Unknown" }, isFolder: false, open }
  if (found.isDirectory()) return { recognized: await recognizeFolder(file), isFolder: true, open }
  if (!found.isFile()) return peek(open())
  const start = await readStart(file)
  return { recognized: recognizeBytes(start, start.length >= found.size), isFolder: false, open }
}

/** Reads the first bytes of a file. */
const readStart = async (path: string): Promise<Uint8Array> => {
  const file = await fs.open(path)
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(recognizedBytes), position: 0 })
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Reads the beginning of a stream, which cannot be read twice. */
const peek = async (stream: AsyncIterable<Uint8Array>): Promise<Inspected> => {
  const iterator = stream[Symbol.asyncIterator]()
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  let isWhole = false
  while (bytes < recognizedBytes && !isWhole) {
    const next = await iterator.next()
    if (next.done === true) isWhole = true
    else {
      chunks.push(next.value)
      bytes += next.value.length
    }
  }
  return {
    recognized: recognizeBytes(Buffer.concat(chunks), isWhole),
    isFolder: false,
    open: async function* () {
      try {
        yield* chunks
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
      } finally {
        await iterator.return?.()
      }
    }
  }
}

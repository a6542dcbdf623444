import { Effect, Result, Schema } from "effect"
import { constants, createReadStream } from "node:fs"
import { type FileHandle, open, realpath, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Anchor, formatAnchor, type AnchorLines, parseAnchors } from "../../events/Anchor.ts"
import { setPrivateMode, privateFileMode } from "../files/privateFiles.ts"

/** A file of anchors that cannot be read or written, or that holds something else. `problem` says what is wrong. */
export class AnchorFileRefused extends Schema.TaggedError<AnchorFileRefused>()("AnchorFileRefused", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The anchor file ${JSON.stringify(this.file)} cannot be used: ${this.problem}`
  }
}

/** What is in a file of anchors. All lines must be anchors; only the last may be cut short, as a failed write leaves it. */
export const readAnchorFile = (file: string): Effect.Effect<AnchorLines, AnchorFileRefused> =>
  attempt(file, async () => {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > longestFile) throw new Error(`it is longer than ${longestFile} bytes`)
      chunks.push(chunk)
    }
    return linesIn(Buffer.concat(chunks))
  })

/** More than a million signed anchors: what is longer is no file of anchors. */
const longestFile = 256 * 1024 * 1024

/** What a file of anchors has had added since it was last read. */
export interface AddedAnchors {
  readonly anchors: ReadonlyArray<Anchor>
  /** Whether the file has no anchor at all, or is another file than before and has none. */
  readonly isEmpty: boolean
}

/**
 * Reads what is new in a file of anchors each time that it is run, and no more than that; there may be no file yet. Refuses
 * a place where no anchors can be kept.
 */
export const makeAnchorFileReader = (file: string): Effect.Effect<AddedAnchors, AnchorFileRefused> => {
  /** Which file was read, and where its last complete line ended. */
  let read = { inode: -1, end: 0, isEmpty: true }
  return attempt(file, async () => {
    const isThere = await isRegular(file)
    await refuseDatabase(file)
    if (!isThere) {
      read = { inode: -1, end: 0, isEmpty: true }
      return { anchors: [], isEmpty: true }
    }
    const handle = await open(file, "r")
    try {
      const { ino, size } = await handle.stat()
      const isSame = ino === read.inode && size >= read.end
      const start = isSame ? read.end : 0
      const bytes = Buffer.alloc(size - start)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
      const added = bytes.subarray(0, bytesRead)
      const { anchors } = linesIn(added, start)
      read = {
        inode: ino,
        end: start + added.lastIndexOf("\n") + 1,
        isEmpty: anchors.length === 0 && (!isSame || read.isEmpty)
      }
      return { anchors, isEmpty: read.isEmpty }
    } finally {
      await handle.close()
    }
  })
}

/**
 * Appends an anchor as one line, and returns when it is on the disk. A file that is new can be read and written by its
 * owner only. What a failed write left at the end is removed first. Not interruptible.
 */
export const appendToAnchorFile = (file: string, anchor: Anchor): Effect.Effect<void, AnchorFileRefused> =>
  Effect.uninterruptible(
    attempt(file, async () => {
      const { handle, isNew } = await openForAppending(file)
      try {
        const line = Buffer.from(`${await repairEnd(handle)}${formatAnchor(anchor)}\n`)
        const { bytesWritten } = await handle.write(line)
        if (bytesWritten !== line.length) throw new Error("the disk is full: a line was written in part only")
        await handle.sync()
      } finally {
        await handle.close()
      }
      if (isNew) await syncDirectory(file)
    })
  )

const { O_APPEND, O_CREAT, O_EXCL, O_RDWR } = constants

const openForAppending = async (file: string): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> => {
  try {
    const handle = await open(file, O_RDWR | O_APPEND | O_CREAT | O_EXCL, privateFileMode)
    await setPrivateMode(handle)
    return { handle, isNew: true }
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
    return { handle: await open(file, O_RDWR | O_APPEND), isNew: false }
  }
}

/** Bytes at the end of a file in which its last line begins: no anchor is longer. */
const longestLine = 4096

/** Makes the next line begin on a line of its own, and returns what has to be written before it for that. */
const repairEnd = async (handle: FileHandle, isSecondTry?: "second try"): Promise<string> => {
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.min(size, longestLine))
  await handle.read(buffer, 0, buffer.length, size - buffer.length)
  const start = buffer.lastIndexOf("\n") + 1
  if (start === buffer.length) return ""
  const before = buffer.lastIndexOf("\n", start - 2) + 1
  if (!linesIn(buffer.subarray(before)).isTruncated) return "\n"
  // Another process may be in the middle of its write, which is done in no time.
  if (!isSecondTry) {
    await setTimeout(writeMillis)
    return repairEnd(handle, "second try")
  }
  await handle.truncate(size - buffer.length + start)
  return ""
}

/** More than the write of one line takes. */
const writeMillis = 100

/** Makes a new file's name durable, where this process may read the directory and the file system can do that. */
const syncDirectory = async (file: string): Promise<void> => {
  try {
    const directory = await open(dirname(file), "r")
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  } catch (error) {
    if (!["EACCES", "EPERM", "EISDIR", "EINVAL", "ENOTSUP"].includes(String(codeOf(error)))) throw error
  }
}

const linesIn = (bytes: Uint8Array, start = 0): AnchorLines =>
  Result.getOrThrowWith(
    parseAnchors(new TextDecoder().decode(bytes)),
    ({ line, problem }) =>
      new Error(`line ${line}${start === 0 ? "" : ` after byte ${start}`} is not an anchor: ${problem}`)
  )

/** Whether the file is there. Refuses what is not a regular file, and a file whose directory is missing. */
const isRegular = async (file: string): Promise<boolean> => {
  try {
    if (!(await stat(file)).isFile()) throw new Error("it is not a regular file")
    return true
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
  if (!(await stat(dirname(file)).catch(() => undefined))?.isDirectory())
    throw new Error("its directory does not exist")
  return false
}

/**
 * Refuses a file inside the directory of a database, embedded or a server's: an anchor proves nothing where the one who
 * replaces the database replaces the anchor with it.
 */
const refuseDatabase = async (file: string): Promise<void> => {
  const place = await realpath(file).catch(async () => join(await realpath(dirname(file)), basename(file)))
  for (let directory = dirname(place); ; directory = dirname(directory)) {
    for (const version of ["PG_VERSION", join("pgdata", "PG_VERSION")]) {
      if ((await stat(join(directory, version)).catch(() => undefined)) !== undefined) {
        throw new Error(
          `it is inside the database's directory ${JSON.stringify(directory)}; choose a place outside of it, where the one who can change the database cannot write`
        )
      }
    }
    if (dirname(directory) === directory) return
  }
}

const attempt = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, AnchorFileRefused> =>
  Effect.tryPromise({
    try: run,
    catch: (error) =>
      new AnchorFileRefused({ file: resolve(file), problem: error instanceof Error ? error.message : String(error) })
  })

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code

import { Effect, Result, Schema } from "effect"
import { fileErrorCode } from "../files/fileErrors.ts"
import { constants, createReadStream } from "node:fs"
import { type FileHandle, open, realpath, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Anchor, formatAnchor, type AnchorLines, parseAnchors } from "../../events/Anchor.ts"
import { setPrivateMode, privateFileMode } from "../files/privateFiles.ts"

/**
 * The anchor file cannot be read or written, or is not an anchor file. `problem` says why.
 *
 * What to do: correct the path or the permissions of the file. Do not delete a file of anchors: it is evidence.
 */
export class AnchorFileRefused extends Schema.TaggedError<AnchorFileRefused>()("AnchorFileRefused", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The anchor file ${JSON.stringify(this.file)} cannot be used: ${this.problem}`
  }
}

/** Reads an anchor file. Every line must be an anchor, except that the last may be incomplete after a failed write. */
export const readAnchorFile = (file: string): Effect.Effect<AnchorLines, AnchorFileRefused> =>
  attempt(file, async () => {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > maxFileBytes) throw new Error(`it is longer than ${maxFileBytes} bytes`)
      chunks.push(chunk)
    }
    return linesIn(Buffer.concat(chunks))
  })

/** Maximum size of an anchor file, in bytes: more than a million signed anchors. */
const maxFileBytes = 256 * 1024 * 1024

/** The anchors that were added to a file since it was last read. */
export interface AddedAnchors {
  readonly anchors: ReadonlyArray<Anchor>
  /** Whether the file has no anchor: it does not exist, is empty, or was replaced by an empty one. */
  readonly isEmpty: boolean
}

/**
 * Returns an effect that reads only the new lines of an anchor file each time it runs. The file need not exist yet. Fails if the
 * path is not usable for an anchor file.
 */
export const makeAnchorFileReader = (file: string): Effect.Effect<AddedAnchors, AnchorFileRefused> => {
  /** The file that was read, and the end of its last complete line. */
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
 * Appends an anchor as one line, and returns when it is on disk. A new file gets the mode 0600. An incomplete line that a
 * failed write left at the end is removed first. Cannot be interrupted.
 */
export const appendToAnchorFile = (file: string, anchor: Anchor): Effect.Effect<void, AnchorFileRefused> =>
  Effect.uninterruptible(
    attempt(file, async () => {
      const { handle, isNew } = await openForAppending(file)
      try {
        const line = Buffer.from(`${await repairEnd(handle)}${formatAnchor(anchor)}\n`)
        const { bytesWritten } = await handle.write(line)
        if (bytesWritten !== line.length) throw new Error("the disk is full: only a part of the line was written")
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
    if (fileErrorCode(error) !== "EEXIST") throw error
    return { handle: await open(file, O_RDWR | O_APPEND), isNew: false }
  }
}

/** Maximum length of the line of an anchor, in bytes. */
const maxLineBytes = 4096

/** Repairs the end of the file, and returns the text that must precede the next line. */
const repairEnd = async (handle: FileHandle, isSecondTry?: "second try"): Promise<string> => {
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.min(size, maxLineBytes))
  await handle.read(buffer, 0, buffer.length, size - buffer.length)
  const start = buffer.lastIndexOf("\n") + 1
  if (start === buffer.length) return ""
  const before = buffer.lastIndexOf("\n", start - 2) + 1
  if (!linesIn(buffer.subarray(before)).isTruncated) return "\n"
  // Another process may be writing the line.
  if (!isSecondTry) {
    await setTimeout(writeMillis)
    return repairEnd(handle, "second try")
  }
  await handle.truncate(size - buffer.length + start)
  return ""
}

/** Time to wait for the write of another process, in milliseconds: longer than a write of one line takes. */
const writeMillis = 100

/** Makes the name of a new file durable, if this process may read the directory and the file system supports it. */
const syncDirectory = async (file: string): Promise<void> => {
  try {
    const directory = await open(dirname(file), "r")
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  } catch (error) {
    if (!["EACCES", "EPERM", "EISDIR", "EINVAL", "ENOTSUP"].includes(String(fileErrorCode(error)))) throw error
  }
}

const linesIn = (bytes: Uint8Array, start = 0): AnchorLines =>
  Result.getOrThrowWith(
    parseAnchors(new TextDecoder().decode(bytes)),
    ({ line, problem }) =>
      new Error(`line ${line}${start === 0 ? "" : ` after byte ${start}`} is not an anchor: ${problem}`)
  )

/** Whether the file exists. Fails if it is not a regular file or its directory does not exist. */
const isRegular = async (file: string): Promise<boolean> => {
  try {
    if (!(await stat(file)).isFile()) throw new Error("it is not a regular file")
    return true
  } catch (error) {
    if (fileErrorCode(error) !== "ENOENT") throw error
  }
  if (!(await stat(dirname(file)).catch(() => undefined))?.isDirectory())
    throw new Error("its directory does not exist")
  return false
}

/**
 * Fails if the file is inside the directory of a database, embedded or of a server: an anchor proves nothing if a replaced
 * database brings its own anchor file.
 */
const refuseDatabase = async (file: string): Promise<void> => {
  const place = await realpath(file).catch(async () => join(await realpath(dirname(file)), basename(file)))
  for (let directory = dirname(place); ; directory = dirname(directory)) {
    for (const version of ["PG_VERSION", join("pgdata", "PG_VERSION")]) {
      if ((await stat(join(directory, version)).catch(() => undefined)) !== undefined) {
        throw new Error(
          `it is inside the database's directory ${JSON.stringify(directory)}. Choose a path where users who can change the database cannot write`
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

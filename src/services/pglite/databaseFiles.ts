import { randomBytes } from "node:crypto"
import { closeSync, fchmodSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createPrivateFolder, privateFileMode } from "../files/privateFiles.ts"
import type { DirectoryOwnership } from "./DirectoryOwnership.ts"

/** The files of a database that was shut down. A new database can start as a copy of them. */
export interface DatabaseFiles {
  /** The paths of the folders, each after the folder that contains it. */
  readonly folders: ReadonlyArray<string>
  /** The contents of the files by their paths. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/**
 * Writes the files of a database into a new folder, for this user only, whatever the umask is. The folder is not a
 * database until all files are written.
 */
export const writeDatabaseFiles = async (
  folder: string,
  { files, folders }: DatabaseFiles,
  ownership: DirectoryOwnership
): Promise<void> => {
  await createPrivateFolder(folder)
  for (const name of folders) {
    ownership.checkIfStale()
    await createPrivateFolder(join(folder, name))
  }
  // Synchronously, because a thousand small files take a fraction of the time.
  for (const [name, bytes] of files) {
    ownership.checkIfStale()
    const file = openSync(join(folder, name), "wx", privateFileMode)
    try {
      // The umask may have removed the owner's own rights.
      fchmodSync(file, privateFileMode)
      writeFileSync(file, bytes)
    } finally {
      closeSync(file)
    }
  }
}

const controlFile = "global/pg_control"

/** The first page of a file of the write-ahead log has the system identifier here. Other files have no copy of it. */
const logFileOffset = 24

/** Whether a path is a file of the write-ahead log. */
export const isLogFile = (path: string): boolean => /^pg_wal\/[0-9A-F]{24}$/.test(path)

/** Copies the files of a database, so that a caller may change them. */
export const copyDatabaseFiles = ({ files, folders }: DatabaseFiles): DatabaseFiles => ({
  folders,
  files: new Map(Array.from(files, ([path, bytes]) => [path, bytes.slice()]))
})

/**
 * Writes a new system identifier into the files of a database. Postgres chooses one for every database that it creates, and
 * the program distinguishes servers by it (decision 31). `false`, and the files are not a database's, when they do not have
 * the format that is expected here.
 */
export const setNewIdentifier = ({ files }: DatabaseFiles): boolean => {
  const control = files.get(controlFile)
  const checksumAt = control === undefined ? undefined : findChecksum(control)
  if (control === undefined || checksumAt === undefined || checksumAt < 8) return false
  const before = viewOf(control).getBigUint64(0, true)
  const identifier = newSystemIdentifier()
  viewOf(control).setBigUint64(0, identifier, true)
  viewOf(control).setUint32(checksumAt, crc32c(control.subarray(0, checksumAt)), true)
  for (const [path, bytes] of files) {
    if (!isLogFile(path)) continue
    const view = viewOf(bytes)
    if (bytes.length < logFileOffset + 8 || view.getBigUint64(logFileOffset, true) !== before) return false
    view.setBigUint64(logFileOffset, identifier, true)
  }
  return true
}

/** As in Postgres, the upper half is the time in seconds. */
const newSystemIdentifier = (): bigint =>
  (BigInt(Math.floor(Date.now() / 1000)) << 32n) | BigInt(randomBytes(4).readUInt32LE())

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Finds the checksum of a control file: the last field, over everything before it. */
const findChecksum = (control: Uint8Array): number | undefined => {
  const view = viewOf(control)
  let state = initialState
  for (let offset = 0; offset + 4 <= control.length; offset += 4) {
    if (offset > 0 && view.getUint32(offset, true) === finish(state)) return offset
    state = update(state, control.subarray(offset, offset + 4))
  }
  return undefined
}

/** CRC-32C, with the polynomial of Castagnoli in reversed bit order. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})
const initialState = 0xffffffff
const update = (state: number, bytes: Uint8Array): number => {
  let value = state
  for (const byte of bytes) value = (crcTable[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return value
}
const finish = (state: number): number => ~state >>> 0
const crc32c = (bytes: Uint8Array): number => finish(update(initialState, bytes))

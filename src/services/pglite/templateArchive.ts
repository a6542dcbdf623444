import { Schema } from "effect"
import { constants, brotliCompressSync, brotliDecompressSync } from "node:zlib"
import type { DatabaseFiles } from "./databaseFiles.ts"

/*
 * The format of an archive of databases. Most files of a database are equal to another one's, in the same database or in
 * another database of the archive. Each content is stored once.
 *
 *     the length of the index in bytes, 4 bytes, little-endian
 *     the index, as JSON
 *     the contents, without the zeros at their ends, one after the other
 *
 * The whole is compressed with Brotli, whose window covers all contents.
 */

const Index = Schema.Struct({
  /** The lengths of the contents in bytes. */
  contents: Schema.Array(Schema.Int),
  databases: Schema.Record(
    Schema.String,
    Schema.Struct({
      folders: Schema.Array(Schema.String),
      /** The path of each file, the number of its content, and its length with the zeros. */
      files: Schema.Array(Schema.Tuple([Schema.String, Schema.Int, Schema.Int]))
    })
  )
})

/** Encodes databases by their names. */
export const encodeArchive = (databases: Readonly<Record<string, DatabaseFiles>>): Buffer => {
  const contents: Array<Buffer> = []
  const numbers = new Map<string, number>()
  const numberOf = (bytes: Buffer): number => {
    const key = bytes.toString("latin1")
    const known = numbers.get(key)
    if (known !== undefined) return known
    numbers.set(key, contents.length)
    return contents.push(bytes) - 1
  }
  const index: typeof Index.Type = {
    databases: Object.fromEntries(
      Object.entries(databases).map(([name, { files, folders }]) => [
        name,
        {
          folders,
          files: Array.from(
            files,
            ([path, bytes]) => [path, numberOf(withoutEndingZeros(bytes)), bytes.length] as const
          )
        }
      ])
    ),
    contents: contents.map((bytes) => bytes.length)
  }
  const text = Buffer.from(JSON.stringify(index))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  const whole = Buffer.concat([length, text, ...contents])
  return brotliCompressSync(whole, {
    params: {
      // Higher qualities take ten times as long, and save a sixth.
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: whole.length
    }
  })
}

/** Larger than a decompressed archive, which is then one chunk and need not be concatenated. */
const decompressedSize = 64 * 1024 * 1024

/** Decodes one database of an archive, into bytes that belong to the caller. Throws when the archive has no such database or is damaged. */
export const decodeArchive = (archive: Uint8Array, name: string): DatabaseFiles => {
  const whole = brotliDecompressSync(archive, { chunkSize: decompressedSize })
  const start = 4 + whole.readUInt32LE(0)
  const index = decodeIndex(whole.toString("utf8", 4, start))
  const database = index.databases[name]
  if (database === undefined) throw new Error(`the archive has no database ${JSON.stringify(name)}`)
  let offset = start
  const contents = index.contents.map((length) => whole.subarray(offset, (offset += length)))
  if (offset !== whole.length) throw new Error("the archive does not have the length that its index states")
  const files = database.files.map(([path, number, length]): readonly [string, Uint8Array] => {
    const content = contents[number]
    if (content === undefined) throw new Error(`the archive has no content ${number}`)
    // Also a content without zeros is copied: several files have it, and each file's bytes belong to the caller.
    const bytes = new Uint8Array(length)
    bytes.set(content)
    return [path, bytes]
  })
  return { folders: database.folders, files: new Map(files) }
}

const decodeIndex = Schema.decodeSync(Schema.fromJsonString(Index))

const withoutEndingZeros = (bytes: Uint8Array): Buffer => {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return Buffer.from(bytes.buffer, bytes.byteOffset, end)
}

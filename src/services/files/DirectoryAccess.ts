import { Schema } from "effect"

/** What other users may do with a directory. */
export const DirectoryAccess = Schema.Struct({
  directory: Schema.String,
  /** Files and folders that other users may read, write or enter, and the first of them. */
  open: Schema.Int,
  firstOpen: Schema.NullOr(Schema.String),
  /** The directory itself, or what is directly in it, by which these are closed. The first five. */
  openParts: Schema.Array(Schema.String),
  /** How many there were before this process opened the directory, which closes them. */
  openBefore: Schema.Int,
  /** Files and folders that belong to another user, and the first of them. */
  foreign: Schema.Int,
  firstForeign: Schema.NullOr(Schema.String),
  /** The user that this process runs as. */
  user: Schema.Int,
  /** Why processes cannot share the directory, or what is wrong with a place of its socket. */
  socketProblem: Schema.NullOr(Schema.String)
})

/** What other users may do with a directory. */
export interface DirectoryAccess extends Schema.Schema.Type<typeof DirectoryAccess> {}

/** A number of files and folders, for people. */
export const formatFileCount = (count: number): string =>
  count === 1 ? "1 file or folder" : `${count} files and folders`

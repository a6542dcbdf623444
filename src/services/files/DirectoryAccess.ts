import { Schema } from "effect"

/** The access that other users have to a directory. */
export const DirectoryAccess = Schema.Struct({
  directory: Schema.String,
  /** Number of files and folders that other users may read, write or enter. */
  open: Schema.Int,
  /** The first of them. */
  firstOpen: Schema.NullOr(Schema.String),
  /** The first five of: the directory itself, or files and folders directly in it, whose modes must be restricted. */
  openParts: Schema.Array(Schema.String),
  /** The same number before this process opened the directory and restricted them. */
  openBefore: Schema.Int,
  /** Number of files and folders that belong to another user. */
  foreign: Schema.Int,
  /** The first of them. */
  firstForeign: Schema.NullOr(Schema.String),
  /** The user id of this process. */
  user: Schema.Int,
  /** Why processes cannot share the directory, or what is in the way of its socket. */
  socketProblem: Schema.NullOr(Schema.String)
})

/** The access that other users have to a directory. */
export interface DirectoryAccess extends Schema.Schema.Type<typeof DirectoryAccess> {}

/** Formats a number of files and folders for people. */
export const formatFileCount = (count: number): string =>
  count === 1 ? "1 file or folder" : `${count} files and folders`

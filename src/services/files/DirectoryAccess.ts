import { Schema } from "effect"

/** The access that other users have to a directory. */
export const DirectoryAccess = Schema.Struct({
  directory: Schema.String,
  /** How many files and folders other users may read, write or enter, and the first of them. */
  open: Schema.Int,
  firstOpen: Schema.NullOr(Schema.String),
  /** The first five of: the directory itself, or files and folders directly in it, whose modes must be restricted. */
  openParts: Schema.Array(Schema.String),
  /** How many there were before this process opened the directory, which restricts them. */
  openBefore: Schema.Int,
  /** How many files and folders belong to another user, and the first of them. */
  foreign: Schema.Int,
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

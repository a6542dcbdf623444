import type { PgConnection } from "@effect/sql-pg"
import type { SqlError } from "effect/sql"
import type { Duplex } from "node:stream"

/** A message of the server, as `@effect/sql-pg` parses it. */
export type ServerMessage =
  | { readonly _tag: "NoticeResponse" | "ErrorResponse"; readonly fields: Readonly<Record<string, string | undefined>> }
  | { readonly _tag: "CommandComplete"; readonly commandTag: string }
  | { readonly _tag: "RowDescription"; readonly fields: ReadonlyArray<ResultColumn> }
  | { readonly _tag: "DataRow"; readonly values: ReadonlyArray<Uint8Array | null> }
  | { readonly _tag: "ParseComplete" | "BindComplete" | "CloseComplete" | "NoData" | "ReadyForQuery" }

/** A column of a result. */
export interface ResultColumn {
  readonly name: string
  readonly dataTypeOid: number
}

/** Receives the messages of the server while it is the connection's `consumer`. */
export interface MessageConsumer {
  readonly onMessage: (message: ServerMessage) => void
  /** Is called when the connection broke. */
  readonly onFatal: (error: SqlError.SqlError) => void
}

/** The parts of a connection that `@effect/sql-pg` does not export (decisions 27 and 45). */
export interface ConnectionInternals {
  readonly session: {
    readonly socket: Duplex
    readonly parser: { readField: unknown }
  }
  /** Receives every message before the consumer. */
  dispatch: (message: ServerMessage) => void
  /** The statement whose answer is arriving. */
  consumer: MessageConsumer | undefined
  /** The error that ended the connection. */
  readonly deadWith: SqlError.SqlError | undefined
  /** Closes the connection because of an error. */
  readonly fatal: (error: SqlError.SqlError) => void
}

const internalsKey = "~@effect/sql-pg/PgConnection/internals"

/** The internals of a connection. All views of one connection have the same. */
export const internalsOf = (connection: PgConnection.PgConnection): ConnectionInternals => {
  const { base } = ((connection as unknown as Record<string, unknown>)[internalsKey] ?? {}) as {
    readonly base?: ConnectionInternals
  }
  if (
    typeof base?.dispatch !== "function" ||
    typeof base.fatal !== "function" ||
    typeof base.session?.socket?.destroy !== "function" ||
    typeof base.session.parser !== "object"
  ) {
    throw new Error("this version of @effect/sql-pg has other connections: use the version in package.json")
  }
  return base
}

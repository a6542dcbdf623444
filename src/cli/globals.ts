import { Effect } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { userInfo } from "node:os"
import { InvalidInput } from "../index.ts"
import { text } from "./flags.ts"
import { Host } from "./Host.ts"

/** Flags that every command has, before or after its name. */

/** Which database: see `databaseTarget`. */
export const Db = GlobalFlag.Setting("db")({
  flag: text(
    "db",
    "A postgres:// URL or a directory (default: BACKLOG_DATABASE_URL, DATABASE_URL, the nearest .backlog upward)",
    "URL|DIR"
  )
})

/** Which Postgres schema in it. */
export const SchemaFlag = GlobalFlag.Setting("schema")({
  flag: text("schema", "The Postgres schema of the backlog (default: backlog)", "NAME")
})

/** Who asks. */
export const Actor = GlobalFlag.Setting("actor")({
  flag: text("actor", "Who does this (default: BACKLOG_ACTOR, else you)", "NAME")
})

/** Whether the answer is for a program. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Answer with one JSON document")
  )
})

/** Who causes the events: `--actor`, else `BACKLOG_ACTOR`, else the operating system's user. */
export const currentActor: Effect.Effect<string, InvalidInput, Host | GlobalFlag.Setting.Identifier<"actor">> =
  Effect.gen(function* () {
    return (yield* Actor) ?? (yield* actorOfEnvironment)
  })

/** Who runs this, where `--actor` says something else: `BACKLOG_ACTOR`, else the operating system's user. */
export const actorOfEnvironment: Effect.Effect<string, InvalidInput, Host> = Effect.gen(function* () {
  const named = nonEmpty((yield* Host).env["BACKLOG_ACTOR"])
  if (named !== undefined) return named
  return yield* Effect.try({
    try: () => userInfo().username,
    catch: () =>
      new InvalidInput({
        problem: "there is no name for who does this: give --actor NAME, or set BACKLOG_ACTOR"
      })
  })
})

/** A variable of the environment that is set to nothing counts as not set. */
export const nonEmpty = (value: string | undefined): string | undefined => (value === "" ? undefined : value)

import { Effect, Option } from "effect"
import { Argument, Flag, GlobalFlag } from "effect/cli"
import { userInfo } from "node:os"
import { ProcessIO } from "./ProcessIO.ts"
import { InvalidInput } from "../index.ts"

/** A flag with a text; `undefined` when it is not given. */
export const textFlag = (name: string, description: string, metavar: string): Flag.Flag<string | undefined> =>
  orUndefined(requiredTextFlag(name, description, metavar))

/** A flag with a text that must be given. */
export const requiredTextFlag = (name: string, description: string, metavar: string): Flag.Flag<string> =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(`<${metavar}>`))

/** A flag with a whole number, written with digits only; `undefined` when it is not given. */
export const integerFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredIntegerFlag(name, description, metavar))

/** A flag with a whole number that must be given. */
export const requiredIntegerFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredTextFlag(name, description, metavar).pipe(
    Flag.filterMap(parseInteger, () => "a whole number, written with digits only")
  )

/** A flag with a number, written with digits and at most one point, that must be given. */
export const requiredDecimalFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredTextFlag(name, description, metavar).pipe(
    Flag.filterMap(parseDecimal, () => "a number, written with digits and at most one point")
  )

/** A flag with such a number; `undefined` when it is not given. */
export const decimalFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredDecimalFlag(name, description, metavar))

const parseDecimal = (written: string): Option.Option<number> =>
  /^[+-]?\d{1,15}(\.\d{1,15})?$/.test(written) ? Option.some(Number(written)) : Option.none()

const parseInteger = (written: string): Option.Option<number> => {
  const value = /^[+-]?\d{1,16}$/.test(written) ? Number(written) : Number.NaN
  return Number.isSafeInteger(value) ? Option.some(value) : Option.none()
}

/** A flag that stands alone. */
export const switchFlag = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false), Flag.withDescription(description))

/** A flag with one of some words; `undefined` when it is not given. */
export const choiceFlag = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  description: string
): Flag.Flag<Words[number] | undefined> =>
  orUndefined(
    Flag.Literals(name, words).pipe(Flag.withDescription(description), Flag.withMetavar(`<${words.join("|")}>`))
  )

/** A card's id, as an argument. */
export const idArgument = (name = "id", description = "The card's id"): Argument.Argument<string> =>
  Argument.String(name).pipe(Argument.withDescription(description))

/** An optional argument; `undefined` if it is missing. */
export const optionalArgument = (name: string, description: string): Argument.Argument<string | undefined> =>
  Argument.String(name).pipe(
    Argument.withDescription(description),
    Argument.optional,
    Argument.map(Option.getOrUndefined)
  )

const orUndefined = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

/** Flags that every command has, before or after its name. */

/** Which database: see `databaseTarget`. */
export const Db = GlobalFlag.Setting("db")({
  flag: textFlag(
    "db",
    "A postgres:// URL or a directory (default: BACKLOG_DATABASE_URL, DATABASE_URL, the nearest .backlog upward)",
    "URL|DIR"
  )
})

/** Which Postgres schema in it. */
export const SchemaFlag = GlobalFlag.Setting("schema")({
  flag: textFlag("schema", "The Postgres schema of the backlog (default: backlog)", "NAME")
})

/** Who asks. */
export const Actor = GlobalFlag.Setting("actor")({
  flag: textFlag("actor", "Who does this (default: BACKLOG_ACTOR, else you)", "NAME")
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
export const currentActor: Effect.Effect<string, InvalidInput, ProcessIO | GlobalFlag.Setting.Identifier<"actor">> =
  Effect.gen(function* () {
    return (yield* Actor) ?? (yield* environmentActor)
  })

/** Who runs this, where `--actor` says something else: `BACKLOG_ACTOR`, else the operating system's user. */
export const environmentActor: Effect.Effect<string, InvalidInput, ProcessIO> = Effect.gen(function* () {
  const named = nonEmpty((yield* ProcessIO).env["BACKLOG_ACTOR"])
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

/** Which cards a claim chooses among. */
export const claimFilterFlags = {
  phase: textFlag("phase", "Only cards of this phase", "PHASE"),
  minPriority: integerFlag("min-priority", "Only cards of this priority or more")
}

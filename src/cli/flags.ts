import { Effect, Option, Schema } from "effect"
import { Argument, Flag, GlobalFlag } from "effect/cli"
import { InvalidInput } from "../index.ts"
import { SchemaName } from "../sql/SchemaName.ts"
import { readVariable } from "./environmentVariables.ts"
import { ProcessIO } from "./ProcessIO.ts"

/** An optional flag with a text. */
export const textFlag = (name: string, description: string, metavar: string): Flag.Flag<string | undefined> =>
  orUndefined(requiredTextFlag(name, description, metavar))

/** A required flag with a text. */
export const requiredTextFlag = (name: string, description: string, metavar: string): Flag.Flag<string> =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(`<${metavar}>`))

/** An optional flag with an integer, written in decimal digits. */
export const integerFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredIntegerFlag(name, description, metavar))

/** A required flag with an integer. */
export const requiredIntegerFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredTextFlag(name, description, metavar).pipe(
    Flag.filterMap(parseInteger, () => "a whole number in decimal digits")
  )

/** A required flag with a number, written in decimal digits with at most one decimal point. */
export const requiredDecimalFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredTextFlag(name, description, metavar).pipe(
    Flag.filterMap(parseDecimal, () => "a number in decimal digits with at most one decimal point")
  )

/** An optional flag with such a number. */
export const decimalFlag = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredDecimalFlag(name, description, metavar))

const parseDecimal = (written: string): Option.Option<number> =>
  /^[+-]?\d{1,15}(\.\d{1,15})?$/.test(written) ? Option.some(Number(written)) : Option.none()

const parseInteger = (written: string): Option.Option<number> => {
  const value = /^[+-]?\d{1,16}$/.test(written) ? Number(written) : Number.NaN
  return Number.isSafeInteger(value) ? Option.some(value) : Option.none()
}

/** A flag without a value. Defaults to false. */
export const switchFlag = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false), Flag.withDescription(description))

/** An optional flag with one of several words. */
export const choiceFlag = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  description: string
): Flag.Flag<Words[number] | undefined> =>
  orUndefined(
    Flag.Literals(name, words).pipe(Flag.withDescription(description), Flag.withMetavar(`<${words.join("|")}>`))
  )

/** A flag with one of several words, which can be given several times. `undefined` if it is not given. */
export const repeatedChoiceFlag = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  description: string
): Flag.Flag<ReadonlyArray<Words[number]> | undefined> =>
  Flag.Literals(name, words).pipe(
    Flag.withDescription(`${description}. Repeatable`),
    Flag.withMetavar(`<${words.join("|")}>`),
    Flag.atLeast(0),
    Flag.map((given) => (given.length === 0 ? undefined : given))
  )

/** A required argument with a card's id. */
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

/** The database. `resolveDatabaseTarget` documents the default. */
export const Db = GlobalFlag.Setting("db")({
  flag: textFlag(
    "db",
    "A postgres:// URL, a directory, or the https:// URL of a served backlog, with its token in BACKLOG_TOKEN. Defaults to BACKLOG_DATABASE_URL, then DATABASE_URL, then the nearest .backlog in this directory or above",
    "URL|DIR"
  )
})

/** The Postgres schema. */
export const SchemaFlag = GlobalFlag.Setting("schema")({
  flag: textFlag("schema", "The Postgres schema of the backlog. Defaults to BACKLOG_SCHEMA, then backlog", "NAME")
})

/** The actor of commands. */
export const Actor = GlobalFlag.Setting("actor")({
  flag: textFlag(
    "actor",
    "The actor of the events. Defaults to BACKLOG_ACTOR, then the holder of BACKLOG_TOKEN, then the operating-system user",
    "NAME"
  )
})

/** Whether the output is JSON. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Print one JSON document")
  )
})

/** Returns the Postgres schema: `--schema`, else `BACKLOG_SCHEMA`; `undefined` if neither is set. */
export const currentSchema: Effect.Effect<
  string | undefined,
  InvalidInput,
  ProcessIO | GlobalFlag.Setting.Identifier<"schema">
> = Effect.gen(function* () {
  const flag = yield* SchemaFlag
  const schema = flag ?? readVariable((yield* ProcessIO).env, "BACKLOG_SCHEMA")
  if (schema === undefined || Schema.is(SchemaName)(schema)) return schema
  return yield* new InvalidInput({
    problem: `${flag === undefined ? "BACKLOG_SCHEMA" : "--schema"} takes lower-case letters, digits and underscores, does not begin with a digit, and has at most 63 characters`
  })
})

/** The limit of failed attempts at a card. */
export const maxAttemptsFlag = integerFlag(
  "max-attempts",
  "How many attempts at a card may fail before it is blocked. Defaults to no limit"
)

/** A flag that can be given several times. `undefined` if it is not given. */
export const repeatedFlag = (
  name: string,
  description: string,
  metavar: string
): Flag.Flag<ReadonlyArray<string> | undefined> =>
  requiredTextFlag(name, `${description}. Repeatable`, metavar).pipe(
    Flag.atLeast(0),
    Flag.map((given) => (given.length === 0 ? undefined : given))
  )

/** Flags that limit which cards a claim considers. */
export const claimFilterFlags = {
  phase: textFlag("phase", "Only cards in this phase", "PHASE"),
  minPriority: integerFlag("min-priority", "Only cards with at least this priority"),
  labels: repeatedFlag("label", "Only cards with this label, and every other label that is given", "LABEL"),
  withoutLabels: repeatedFlag("without-label", "Only cards without this label", "LABEL")
}

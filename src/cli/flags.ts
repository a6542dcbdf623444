import { Option } from "effect"
import { Argument, Flag } from "effect/cli"

/** A flag with a text; `undefined` when it is not given. */
export const text = (name: string, description: string, metavar: string): Flag.Flag<string | undefined> =>
  orUndefined(requiredText(name, description, metavar))

/** A flag with a text that must be given. */
export const requiredText = (name: string, description: string, metavar: string): Flag.Flag<string> =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(`<${metavar}>`))

/** A flag with a whole number, written with digits only; `undefined` when it is not given. */
export const whole = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredWhole(name, description, metavar))

/** A flag with a whole number that must be given. */
export const requiredWhole = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredText(name, description, metavar).pipe(
    Flag.filterMap(wholeNumber, () => "a whole number, written with digits only")
  )

/** A flag with a number, written with digits and at most one point, that must be given. */
export const requiredDecimal = (name: string, description: string, metavar = "N"): Flag.Flag<number> =>
  requiredText(name, description, metavar).pipe(
    Flag.filterMap(decimalNumber, () => "a number, written with digits and at most one point")
  )

/** A flag with such a number; `undefined` when it is not given. */
export const decimal = (name: string, description: string, metavar = "N"): Flag.Flag<number | undefined> =>
  orUndefined(requiredDecimal(name, description, metavar))

const decimalNumber = (written: string): Option.Option<number> =>
  /^[+-]?\d{1,15}(\.\d{1,15})?$/.test(written) ? Option.some(Number(written)) : Option.none()

const wholeNumber = (written: string): Option.Option<number> => {
  const value = /^[+-]?\d{1,16}$/.test(written) ? Number(written) : Number.NaN
  return Number.isSafeInteger(value) ? Option.some(value) : Option.none()
}

/** A flag that stands alone. */
export const switchFlag = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false), Flag.withDescription(description))

/** A flag with one of some words; `undefined` when it is not given. */
export const oneOf = <const Words extends ReadonlyArray<string>>(
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

const orUndefined = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

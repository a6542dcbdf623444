import { Cause, Effect, Exit } from "effect"
import { inspect } from "node:util"
import { tables } from "../../support/backlogs.ts"
import { seed } from "../../support/soak.ts"

/** A hostile input, and how it is tried. */
export interface Trial<A, R> {
  /** Describes the input in error messages. */
  readonly what: string
  readonly input: unknown
  readonly run: Effect.Effect<A, unknown, R>
  /** The errors that the input may cause. */
  readonly errors: ReadonlySet<string>
}

/** The result of a successful trial. */
export type Became<A> =
  /** `after` is the position of the last event before the trial. */
  | { readonly _tag: "Accepted"; readonly answer: A; readonly wrote: boolean; readonly after: number }
  | { readonly _tag: "Refused" }

/** A fingerprint of the tables: every write changes it. */
export const numbers = Effect.gen(function* () {
  const { cards, dependencies, events, head, schema, sql } = yield* tables
  const rows = yield* sql<{ readonly numbers: string }>`
    SELECT concat_ws(' ', (SELECT position FROM ${head}), (SELECT count(*) FROM ${events}),
      (SELECT count(*) FROM ${cards}), (SELECT count(*) FROM ${dependencies}),
      (SELECT max(position) FROM ${cards}), (SELECT count(*) FROM ${sql(`${schema}.checkpoints`)})) AS numbers`
  return rows[0]?.numbers ?? "nothing"
})

/** Shows an input that may run code when it is read. */
const shown = (input: unknown): string => {
  try {
    return inspect(input, { depth: 4, maxStringLength: 200, maxArrayLength: 20 }).slice(0, 2000)
  } catch (cause) {
    return `what cannot be shown: ${String(cause)}`
  }
}

/** An error with everything that is needed to repeat the trial. */
export const failed = (
  trial: { readonly what: string; readonly input: unknown },
  problem: string,
  number: number | string
): Error => new Error(`seed ${seed}, input ${number}: ${trial.what}: ${problem}\n${shown(trial.input)}`)

/** Far more than any input takes on any machine. */
const trialTimeout = "60 seconds"

/** Tries one input: it is accepted, or refused with a typed error and without any write. */
export const attempt = Effect.fnUntraced(function* <A, R>(trial: Trial<A, R>, number: number) {
  const before = yield* numbers
  const exit = yield* Effect.exit(Effect.timeout(trial.run, trialTimeout))
  const after = yield* numbers
  if (Exit.isSuccess(exit)) {
    return {
      _tag: "Accepted",
      answer: exit.value,
      wrote: before !== after,
      after: Number.parseInt(before, 10)
    } satisfies Became<A>
  }
  const defects = exit.cause.reasons.filter((reason) => !Cause.isFailReason(reason))
  if (defects.length > 0) return yield* Effect.die(failed(trial, Cause.pretty(exit.cause), number))
  const error = Cause.squash(exit.cause)
  const tag = error instanceof Error && "_tag" in error ? String(error._tag) : "an error without a name"
  if (!trial.errors.has(tag)) return yield* Effect.die(failed(trial, Cause.pretty(exit.cause), number))
  if (error instanceof Error && (error.message === "" || error.message.length > 20_000)) {
    return yield* Effect.die(failed(trial, `a message of ${error.message.length} characters`, number))
  }
  if (before !== after) return yield* Effect.die(failed(trial, `${tag}, and from ${before} to ${after}`, number))
  return { _tag: "Refused" } satisfies Became<A>
})

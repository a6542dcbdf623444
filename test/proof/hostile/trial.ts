import { Cause, Effect, Exit } from "effect"
import { inspect } from "node:util"
import { tables } from "../../support/backlogs.ts"
import { seed } from "../../support/soak.ts"

/** A hostile input, and what is done with it. */
export interface Trial<A, R> {
  /** What it is, for whoever has to find out what went wrong. */
  readonly what: string
  readonly input: unknown
  readonly run: Effect.Effect<A, unknown, R>
  /** The names of the errors that may come of it. */
  readonly errors: ReadonlySet<string>
}

/** What became of a trial that went as it may. */
export type Became<A> =
  /** `after` is the position of the last event before the trial. */
  | { readonly _tag: "Accepted"; readonly answer: A; readonly wrote: boolean; readonly after: number }
  | { readonly _tag: "Refused" }

/** What the tables hold, in a few numbers: nothing can be written, and leave them all. */
export const numbers = Effect.gen(function* () {
  const { cards, dependencies, events, head, schema, sql } = yield* tables
  const rows = yield* sql<{ readonly numbers: string }>`
    SELECT concat_ws(' ', (SELECT position FROM ${head}), (SELECT count(*) FROM ${events}),
      (SELECT count(*) FROM ${cards}), (SELECT count(*) FROM ${dependencies}),
      (SELECT max(position) FROM ${cards}), (SELECT count(*) FROM ${sql(`${schema}.checkpoints`)})) AS numbers`
  return rows[0]?.numbers ?? "nothing"
})

/** Shows an input that may do anything when it is looked at. */
const shown = (input: unknown): string => {
  try {
    return inspect(input, { depth: 4, maxStringLength: 200, maxArrayLength: 20 }).slice(0, 2000)
  } catch (cause) {
    return `what cannot be shown: ${String(cause)}`
  }
}

/** An error with all that somebody needs to try the same again. */
export const failed = (
  trial: { readonly what: string; readonly input: unknown },
  problem: string,
  number: number | string
): Error => new Error(`seed ${seed}, input ${number}: ${trial.what}: ${problem}\n${shown(trial.input)}`)

/** No input takes longer than this on any machine. */
const patience = "60 seconds"

/** Tries one input: it is accepted, or refused by an error that has a name, and then nothing was written. */
export const attempt = Effect.fnUntraced(function* <A, R>(trial: Trial<A, R>, number: number) {
  const before = yield* numbers
  const exit = yield* Effect.exit(Effect.timeout(trial.run, patience))
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

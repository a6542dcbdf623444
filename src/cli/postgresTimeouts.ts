import { Duration, Effect, Layer } from "effect"
import { InvalidInput } from "../index.ts"
import { defaultTimeouts, PostgresTimeouts } from "../services/postgres/PostgresClient.ts"
import { nonEmpty } from "./globals.ts"
import { Host } from "./Host.ts"

/** A day: longer than any statement of a command, and far from what a timer takes. */
const longestSeconds = 24 * 60 * 60

/**
 * The timeouts of connections to a server, in seconds: `BACKLOG_BATCH_TIMEOUT` for batches of commands,
 * `BACKLOG_ANSWER_TIMEOUT` for other statements. Default to those of the library.
 */
export const layerPostgresTimeouts: Layer.Layer<never, InvalidInput, Host> = Layer.effect(
  PostgresTimeouts,
  Effect.gen(function* () {
    const { env } = yield* Host
    const seconds = (name: string, byDefault: Duration.Duration) => {
      const text = nonEmpty(env[name])
      if (text === undefined) return Effect.succeed(byDefault)
      const value = Number(text)
      return /^\d+(\.\d+)?$/.test(text) && value >= 1 && value <= longestSeconds
        ? Effect.succeed(Duration.seconds(value))
        : Effect.fail(new InvalidInput({ problem: `${name} takes a number of seconds from 1 to ${longestSeconds}` }))
    }
    return {
      ...defaultTimeouts,
      batchTimeout: yield* seconds("BACKLOG_BATCH_TIMEOUT", defaultTimeouts.batchTimeout),
      answerTimeout: yield* seconds("BACKLOG_ANSWER_TIMEOUT", defaultTimeouts.answerTimeout)
    }
  })
)

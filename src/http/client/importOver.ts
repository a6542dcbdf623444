import { type Cause, Effect, Stream } from "effect"
import { type AuditService, type FileLine, LogFileRefused } from "../../index.ts"
import { askedNothing, asked } from "./asked.ts"
import type { Endpoints } from "./connect.ts"
import { withoutUndefined } from "./withoutUndefined.ts"

/**
 * Imports a log by sending its lines. Progress is told when all is done: the answer comes then. What goes wrong with the
 * lines themselves ends the request, and nothing is imported.
 */
export const importOver =
  (endpoint: Endpoints["audit"]["importLog"]): AuditService["Service"]["importLog"] =>
  <E, R>(
    lines: Stream.Stream<FileLine, E, R>,
    options: {
      readonly actor?: string | undefined
      readonly onProgress?: ((done: number, total: number) => Effect.Effect<void>) | undefined
    } = {}
  ) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const unreadable: { cause?: Cause.Cause<E | LogFileRefused> } = {}
      const payload = lines.pipe(
        Stream.mapArrayEffect((some) => {
          const bad = some.find((line) => "problem" in line)
          if (bad !== undefined) return new LogFileRefused({ line: bad.number, problem: bad.problem })
          return Effect.succeed([some.map((line) => `${"text" in line ? line.text : ""}\n`).join("")] as const)
        }),
        Stream.encodeText,
        Stream.tapCause((cause) =>
          Effect.sync(() => {
            unreadable.cause = cause
          })
        ),
        Stream.provideContext(context)
      )
      const asking = askedNothing(
        asked(endpoint({ payload, query: withoutUndefined({ actor: options.actor }) }), false)
      )
      const imported = yield* Effect.catchCause(asking, (cause) =>
        Effect.failCause<Effect.Error<typeof asking> | E | LogFileRefused>(unreadable.cause ?? cause)
      )
      yield* options.onProgress?.(imported.events, imported.events) ?? Effect.void
      return imported
    })

import { Cause, Effect, ErrorReporter, Exit, Formatter, Logger, References, Tracer } from "effect"
import { inspect } from "node:util"

/** Loggers, a tracer and an error reporter that record everything in every format that a program may use. */
export const capturing = () => {
  const received: Array<string> = []
  const keep = (...values: ReadonlyArray<unknown>): void => {
    for (const value of values) {
      received.push(
        typeof value === "string" ? value : `${Formatter.formatJson(value)}\n${inspect(value, { depth: 12 })}`
      )
    }
  }
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      keep(options.name)
      spans.push(span)
      return span
    }
  })
  const loggers = [
    Logger.map(Logger.formatLogFmt, keep),
    Logger.map(Logger.formatJson, keep),
    Logger.map(Logger.formatStructured, keep),
    Logger.make(({ cause, fiber, message }) =>
      keep(message, cause, Cause.pretty(cause), fiber.getRef(References.CurrentLogAnnotations))
    ),
    Logger.tracerLogger
  ]
  const reporter = ErrorReporter.make(({ attributes, cause, error }) => keep(cause, error, attributes))
  return {
    /** Runs an effect with the loggers, the tracer and the reporter. */
    around: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      effect.pipe(
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provideService(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>(loggers)),
        Effect.provideService(ErrorReporter.CurrentErrorReporters, new Set([reporter])),
        Effect.provideService(References.MinimumLogLevel, "All")
      ),
    /** Everything that was recorded so far. */
    everything: (): string =>
      [
        ...received,
        ...spans.flatMap((span) => [span.name, inspect(span.attributes, { depth: 12 }), textOfSpan(span)])
      ].join("\n"),
    spans: (): ReadonlyArray<Tracer.Span> => spans
  }
}

/** The text that an exporter sends for a span. */
const textOfSpan = (span: Tracer.Span): string => {
  const { events } = span as Tracer.NativeSpan
  const exit = span.status._tag === "Ended" ? span.status.exit : Exit.void
  const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
  const links = span.links.map(({ attributes }) => inspect(attributes))
  const errors = Cause.prettyErrors(cause).map(({ message, name, stack }) => `${name} ${message} ${stack}`)
  return [inspect(events, { depth: 12 }), Cause.pretty(cause), Formatter.formatJson(cause), ...links, ...errors].join(
    "\n"
  )
}

import { Effect, ErrorReporter, type Fiber, Logger, References, Tracer } from "effect"
import { sanitize, sanitizeCause, sanitizeExit } from "../sql/sanitize.ts"

/**
 * Runs an effect whose logs, spans and reported errors have no secrets and no content of rows. The loggers, the tracer and
 * the error reporters that the program provides receive access tokens and passwords of URLs replaced; of a failure of the
 * database the SQLSTATE and the names of the table, the column and the constraint; of the arguments of a tool their names.
 * The errors themselves stay whole.
 */
export const withoutSecrets = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const tracer = fiber.cache.tracer
    const quiet = effect.pipe(
      Effect.updateService(Logger.CurrentLoggers, (loggers) => new Set([...loggers].map(quietLogger))),
      Effect.updateService(
        ErrorReporter.CurrentErrorReporters,
        (reporters) => new Set([...reporters].map(quietReporter))
      )
    )
    // The native tracer keeps its spans to itself, and is faster unwrapped.
    return tracer === undefined || tracer === Tracer.nativeTracer
      ? quiet
      : Effect.provideService(quiet, Tracer.Tracer, quietTracer(tracer))
  })

/** Makes of a part of the program's context what wraps it, once, and never wraps what wraps already. */
const wrapping = <A extends object>(wrap: (inner: A) => A): ((inner: A) => A) => {
  const wrapped = new WeakMap<A, A>()
  return (inner) => {
    const known = wrapped.get(inner)
    if (known !== undefined) return known
    const outer = wrap(inner)
    wrapped.set(inner, outer).set(outer, outer)
    return outer
  }
}

const quietLogger = wrapping((logger: Logger.Logger<unknown, unknown>) =>
  Logger.make<unknown, unknown>((options) =>
    logger.log({
      ...options,
      message: sanitize(options.message),
      cause: sanitizeCause(options.cause),
      fiber: quietFiber(options.fiber)
    })
  )
)

const quietReporter = wrapping((reporter: ErrorReporter.ErrorReporter): ErrorReporter.ErrorReporter => ({
  ...reporter,
  report: (options) => reporter.report({ ...options, cause: sanitizeCause(options.cause) })
}))

/** A fiber as a logger sees it: loggers take annotations and spans from it. */
const quietFiber = (fiber: Fiber.Fiber<unknown, unknown>): Fiber.Fiber<unknown, unknown> => {
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  const spans = fiber.getRef(References.CurrentLogSpans)
  const shownAnnotations = sanitize(annotations)
  const shownSpans = sanitize(spans)
  if (shownAnnotations === annotations && shownSpans === spans) return fiber
  const getRef = (reference: unknown): unknown => {
    if (reference === References.CurrentLogAnnotations) return shownAnnotations
    return reference === References.CurrentLogSpans ? shownSpans : fiber.getRef(reference as never)
  }
  return Object.create(fiber, { getRef: { value: getRef } }) as Fiber.Fiber<unknown, unknown>
}

const quietTracer = wrapping((tracer: Tracer.Tracer) =>
  Tracer.make({
    span: (options) =>
      quietSpan(
        tracer.span({ ...options, name: sanitize(options.name) as string, links: options.links.map(quietLink) })
      ),
    ...(tracer.context === undefined ? {} : { context: tracer.context.bind(tracer) })
  })
)

/** The attribute to which `effect/ai` puts the whole arguments of a tool: titles, bodies, results. */
const argumentsOfTool = "parameters"

const namesIn = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? sanitize(Object.keys(value)) : undefined

/** The tracer's own span, so that it knows its spans again; what is told to it is changed. */
const quietSpan = (span: Tracer.Span): Tracer.Span => {
  const own = {
    addLinks: span.addLinks.bind(span),
    attribute: span.attribute.bind(span),
    end: span.end.bind(span),
    event: span.event.bind(span)
  }
  span.attribute = (key, value) => own.attribute(key, key === argumentsOfTool ? namesIn(value) : sanitize(value))
  span.event = (name, startTime, attributes) =>
    own.event(sanitize(name) as string, startTime, sanitize(attributes) as typeof attributes)
  span.addLinks = (links) => own.addLinks(links.map(quietLink))
  span.end = (endTime, exit) => own.end(endTime, sanitizeExit(exit))
  return span
}

const quietLink = (link: Tracer.SpanLink): Tracer.SpanLink => ({
  span: link.span,
  attributes: sanitize(link.attributes) as Tracer.SpanLink["attributes"]
})

import { Effect, ErrorReporter, type Fiber, Logger, References, Tracer } from "effect"
import { sanitize, sanitizeCause, sanitizeExit } from "../sql/sanitize.ts"

/**
 * Runs an effect so that its logs, spans and reported errors contain no secrets and no content of rows.
 *
 * **Details**
 *
 * The loggers, the tracer and the error reporters of the program receive:
 *
 * - a placeholder for access tokens and for passwords in URLs;
 * - the SQLSTATE and the names of the table, column and constraint of a database error;
 * - the names of a tool's arguments, without their values.
 *
 * The errors of the effect itself do not change.
 */
export const withoutSecrets = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const tracer = fiber.cache.tracer
    const sanitized = effect.pipe(
      Effect.updateService(Logger.CurrentLoggers, (loggers) => new Set([...loggers].map(sanitizingLogger))),
      Effect.updateService(
        ErrorReporter.CurrentErrorReporters,
        (reporters) => new Set([...reporters].map(sanitizingReporter))
      )
    )
    // The native tracer does not export spans, and is faster without a wrapper.
    return tracer === undefined || tracer === Tracer.nativeTracer
      ? sanitized
      : Effect.provideService(sanitized, Tracer.Tracer, sanitizingTracer(tracer))
  })

/** Makes a function that wraps each object once, and returns a wrapped object unchanged. */
const memoizeWrapper = <A extends object>(wrap: (inner: A) => A): ((inner: A) => A) => {
  const wrapped = new WeakMap<A, A>()
  return (inner) => {
    const existing = wrapped.get(inner)
    if (existing !== undefined) return existing
    const outer = wrap(inner)
    wrapped.set(inner, outer).set(outer, outer)
    return outer
  }
}

const sanitizingLogger = memoizeWrapper((logger: Logger.Logger<unknown, unknown>) =>
  Logger.make<unknown, unknown>((options) =>
    logger.log({
      ...options,
      message: sanitize(options.message),
      cause: sanitizeCause(options.cause),
      fiber: sanitizeFiber(options.fiber)
    })
  )
)

const sanitizingReporter = memoizeWrapper((reporter: ErrorReporter.ErrorReporter): ErrorReporter.ErrorReporter => ({
  ...reporter,
  report: (options) => reporter.report({ ...options, cause: sanitizeCause(options.cause) })
}))

/** The fiber that a logger receives. Loggers read annotations and spans from it. */
const sanitizeFiber = (fiber: Fiber.Fiber<unknown, unknown>): Fiber.Fiber<unknown, unknown> => {
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

const sanitizingTracer = memoizeWrapper((tracer: Tracer.Tracer) =>
  Tracer.make({
    span: (options) =>
      sanitizeSpan(
        tracer.span({ ...options, name: sanitize(options.name) as string, links: options.links.map(sanitizeLink) })
      ),
    ...(tracer.context === undefined ? {} : { context: tracer.context.bind(tracer) })
  })
)

/** The span attribute with the complete arguments of a tool, set by `effect/ai`. */
const toolArgumentsKey = "parameters"

const readArgumentNames = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? sanitize(Object.keys(value)) : undefined

/** Changes the methods of the tracer's own span object, so that the tracer recognizes it. */
const sanitizeSpan = (span: Tracer.Span): Tracer.Span => {
  const original = {
    addLinks: span.addLinks.bind(span),
    attribute: span.attribute.bind(span),
    end: span.end.bind(span),
    event: span.event.bind(span)
  }
  span.attribute = (key, value) =>
    original.attribute(key, key === toolArgumentsKey ? readArgumentNames(value) : sanitize(value))
  span.event = (name, startTime, attributes) =>
    original.event(sanitize(name) as string, startTime, sanitize(attributes) as typeof attributes)
  span.addLinks = (links) => original.addLinks(links.map(sanitizeLink))
  span.end = (endTime, exit) => original.end(endTime, sanitizeExit(exit))
  return span
}

const sanitizeLink = (link: Tracer.SpanLink): Tracer.SpanLink => ({
  span: link.span,
  attributes: sanitize(link.attributes) as Tracer.SpanLink["attributes"]
})

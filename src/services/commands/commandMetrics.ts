import { Context, Effect, Metric, Option, Result, Tracer } from "effect"
import { outcomeLabel, tagOf } from "../../events/outcomeLabel.ts"

// Attributes that are added to a metric later cost a copy of the context for each update.
/**
 * Each completion of a `CompleteMany` counts as a `Complete`.
 *
 * Labels: `command`, `outcome`.
 *
 * Use: alert on `outcome=~"SqlError|Defect"`, and on `command="Claim",outcome="done"` that does not grow while
 * `backlog_claimable_cards` is above 0.
 */
const commandCounter = (attributes: Readonly<Record<string, string>>) =>
  Metric.counter("backlog_commands_total", {
    description: "Commands by kind and outcome: done, nothing (nothing to claim), or the tag of the error",
    incremental: true,
    attributes
  })

/**
 * Labels: `command`.
 *
 * Use: `histogram_quantile` shows the latency of each command.
 */
const durationTimer = (attributes: Readonly<Record<string, string>>) =>
  Metric.histogram("backlog_command_duration_seconds", {
    description: "How long commands took, waiting for their batch included",
    boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    // Exporters read the unit from here.
    attributes: { ...attributes, unit: "seconds" }
  })

/** Use: shows how many commands share a transaction under load. */
const batchSizes = Metric.histogram("backlog_batch_commands", {
  description: "Commands that one transaction carried out",
  boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024]
})

/** Makes functions that count and time commands, with the metrics registry of a context. */
export const makeCommandMetrics = (context: Context.Context<never>) => {
  // Cached, because creating a metric with attributes looks it up in the registry.
  const counters = new Map<string, Map<string, Metric.Counter<number>>>()
  const timers = new Map<string, Metric.Histogram<number>>()

  const count = (command: string, outcome: string): void => {
    let ofCommand = counters.get(command)
    if (ofCommand === undefined) counters.set(command, (ofCommand = new Map()))
    let counter = ofCommand.get(outcome)
    if (counter === undefined) {
      counter = commandCounter({ command, outcome })
      ofCommand.set(outcome, counter)
    }
    counter.updateUnsafe(1, context)
  }

  const time = (command: string, startedAt: number): void => {
    let timer = timers.get(command)
    if (timer === undefined) {
      timer = durationTimer({ command })
      timers.set(command, timer)
    }
    timer.updateUnsafe((performance.now() - startedAt) / 1000, context)
  }

  return {
    /** Measures a command, and adds its outcome to the current span. */
    measured:
      (command: string) =>
      <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Effect.withFiber((fiber) => {
          const startedAt = performance.now()
          const span = Context.getOption(fiber.context, Tracer.ParentSpan)
          return Effect.onExitPrimitive(effect, (exit) => {
            const outcome = outcomeLabel(exit)
            count(command, outcome)
            time(command, startedAt)
            if (Option.isSome(span) && span.value._tag === "Span") span.value.attribute("backlog.outcome", outcome)
            return undefined
          })
        }),
    /** Counts the commands of one submission. */
    countEach: (command: string, outcomes: ReadonlyArray<Result.Result<unknown, unknown>>): void => {
      for (const outcome of outcomes) count(command, Result.isSuccess(outcome) ? "done" : tagOf(outcome.failure))
    }
  }
}

/** Makes a function that records the number of commands in a batch. */
export const makeBatchMetric =
  (context: Context.Context<never>) =>
  (size: number): void =>
    batchSizes.updateUnsafe(size, context)

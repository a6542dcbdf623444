import { type Context, Effect, type Exit, Metric } from "effect"
import { outcomeLabel } from "./outcomeLabel.ts"

// Attributes that are added to a metric later cost a copy of the context for each update.
/**
 * Labels: `read`, `outcome`.
 *
 * Use: alert on `outcome=~"SqlError|Defect"`. `rate` shows how often each read is called.
 */
const readCounter = (attributes: Readonly<Record<string, string>>) =>
  Metric.counter("backlog_reads_total", {
    description:
      "Reads by name and outcome: done, nothing (a card or checkpoint that does not exist), or the tag of the error",
    incremental: true,
    attributes
  })

/**
 * Labels: `read`.
 *
 * Use: `histogram_quantile` shows the latency of each read.
 */
const durationTimer = (attributes: Readonly<Record<string, string>>) =>
  Metric.histogram("backlog_read_duration_seconds", {
    description: "How long reads took; those that stream are only counted",
    boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
    // Exporters read the unit from here.
    attributes: { ...attributes, unit: "seconds" }
  })

/** Makes functions that count and time reads, with the metrics registry of a context. */
export const makeReadMetrics = (context: Context.Context<never>) => {
  /** Counts the reads of a name. The counters are cached, because creating a metric looks it up in the registry. */
  const counted = (name: string): ((exit: Exit.Exit<unknown, unknown>) => void) => {
    const counters = new Map<string, Metric.Counter<number>>()
    return (exit) => {
      const outcome = outcomeLabel(exit)
      let counter = counters.get(outcome)
      if (counter === undefined) {
        counter = readCounter({ read: name, outcome })
        counters.set(outcome, counter)
      }
      counter.updateUnsafe(1, context)
    }
  }

  return {
    counted,
    /** Counts and times the reads of a name. */
    measured: (name: string): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
      const count = counted(name)
      let timer: Metric.Histogram<number> | undefined
      return (effect) =>
        Effect.suspend(() => {
          const startedAt = performance.now()
          return Effect.onExitPrimitive(effect, (exit) => {
            count(exit)
            timer ??= durationTimer({ read: name })
            timer.updateUnsafe((performance.now() - startedAt) / 1000, context)
            return undefined
          })
        })
    }
  }
}

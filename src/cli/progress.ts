import { Effect } from "effect"
import type { RemovalProgress } from "../index.ts"
import type { ProcessIO } from "./ProcessIO.ts"

const barCells = 30

/** Clears the progress line on standard error when an effect ends. */
export const clearProgressAfter =
  (io: ProcessIO["Service"]) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.ensuring(
      effect,
      Effect.sync(() => {
        if (io.stderr.isTerminal) io.stderr.write("\r\u001b[K")
      })
    )

/** Shows a progress bar on standard error if it is a terminal. */
export const showProgress =
  (io: ProcessIO["Service"], what: string) =>
  (settled: number, total: number): Effect.Effect<void> =>
    Effect.sync(() => {
      if (!io.stderr.isTerminal || total === 0) return
      const full = Math.round((settled / total) * barCells)
      const bar = `${"█".repeat(full)}${"░".repeat(barCells - full)}`
      io.stderr.write(settled >= total ? "\r\u001b[K" : `\r${bar} ${settled} of ${total} ${what}\u001b[K`)
    })

/** Shows the progress of removing erased bytes, and which table it waits for. */
export const showRemovalProgress =
  (io: ProcessIO["Service"]) =>
  ({ done, phase, table, total }: RemovalProgress): Effect.Effect<void> =>
    phase === "copying"
      ? showProgress(io, `rows of ${table}, ${phase}`)(done, total)
      : Effect.sync(() => {
          if (!io.stderr.isTerminal) return
          const waited = phase === "swapped" ? "" : `waiting for ${table === "" ? "the tables" : `the table ${table}`}`
          io.stderr.write(`\r${waited}\u001b[K`)
        })

import { Effect } from "effect"
import type { RemovalProgress } from "../index.ts"
import type { Host } from "./Host.ts"

const cells = 30

/** Takes what was shown off standard error's line, when what it was about ends, however it does. */
export const withoutProgress =
  (host: Host["Service"]) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.ensuring(
      effect,
      Effect.sync(() => {
        if (host.stderr.isTerminal) host.stderr.write("\r\u001b[K")
      })
    )

/** Shows how far something is on standard error, where that is a terminal. */
export const progressBar =
  (host: Host["Service"], what: string) =>
  (settled: number, total: number): Effect.Effect<void> =>
    Effect.sync(() => {
      if (!host.stderr.isTerminal || total === 0) return
      const full = Math.round((settled / total) * cells)
      const bar = `${"█".repeat(full)}${"░".repeat(cells - full)}`
      host.stderr.write(settled >= total ? "\r\u001b[K" : `\r${bar} ${settled} of ${total} ${what}\u001b[K`)
    })

/** Shows how far a removal of erased bytes is, and which table it waits for. */
export const removalProgress =
  (host: Host["Service"]) =>
  ({ done, phase, table, total }: RemovalProgress): Effect.Effect<void> =>
    phase === "copying"
      ? progressBar(host, `rows of ${table}, ${phase}`)(done, total)
      : Effect.sync(() => {
          if (!host.stderr.isTerminal) return
          const waited = phase === "swapped" ? "" : `waiting for ${table === "" ? "the tables" : `the table ${table}`}`
          host.stderr.write(`\r${waited}\u001b[K`)
        })

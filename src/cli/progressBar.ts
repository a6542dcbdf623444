import { Effect } from "effect"
import type { Host } from "./Host.ts"

const cells = 30

/** Shows how far something is on standard error, where that is a terminal; `onProgress` of an import. */
export const progressBar =
  (host: Host["Service"], what: string) =>
  (settled: number, total: number): Effect.Effect<void> =>
    Effect.sync(() => {
      if (!host.stderr.isTerminal || total === 0) return
      const full = Math.round((settled / total) * cells)
      const bar = `${"█".repeat(full)}${"░".repeat(cells - full)}`
      host.stderr.write(settled >= total ? "\r\u001b[K" : `\r${bar} ${settled} of ${total} ${what}\u001b[K`)
    })

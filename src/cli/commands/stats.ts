import { Effect, Schema } from "effect"
import { AuditService, BacklogService, Stats } from "../../index.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { atFlag, describeBacklogMoment, formatDuration, parseMoment } from "../moments.ts"
import { formatTable } from "../table.ts"
import type { TextStyle } from "../terminalText.ts"

export const statsCommand = defineCommand(
  "stats",
  {
    description:
      "Counts the cards by status, and the claimable and waiting cards. With --at it counts them at that moment.",
    summary: "Count cards by status",
    examples: [{ command: "backlog stats" }, { command: "backlog stats --json --at 2026-01-22" }]
  },
  { at: atFlag("moment") },
  Effect.fnUntraced(function* (flags) {
    const at = yield* parseMoment(flags.at)
    return Effect.gen(function* () {
      const past = at === undefined ? undefined : yield* (yield* AuditService).backlogAt(at)
      const numbers = past === undefined ? yield* (yield* BacklogService).stats : past.stats
      return makeOutput(
        () => encodeStats(numbers),
        (style) =>
          `${past === undefined ? "" : `${describeBacklogMoment(past)}\n\n`}${describeStats(numbers, style, past === undefined)}`
      )
    })
  })
)

const encodeStats = Schema.encodeSync(Stats)

const describeStats = (numbers: Stats, style: TextStyle, isNow: boolean): string => {
  const { counts } = numbers
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["ready", String(counts.ready)],
    [isNow ? "  claimable now" : "  claimable", String(numbers.claimable)],
    ["  waiting for other cards", String(numbers.waiting)],
    ["claimed", String(counts.claimed)],
    ["  expired", String(numbers.expiredClaimCount)],
    ["blocked", String(counts.blocked)],
    ["done", String(counts.done)],
    ["total", String(numbers.total)]
  ]
  const lines = formatTable(
    [
      { title: "STATUS", text: ([name]) => name },
      { title: "CARDS", text: ([, count]) => count, align: "right" }
    ],
    rows,
    style
  )
  return numbers.oldestReadyAgeSeconds === null
    ? lines.join("\n")
    : [
        ...lines,
        "",
        `The oldest ready card ${isNow ? "is" : "was"} ${formatDuration(numbers.oldestReadyAgeSeconds)} old.`
      ].join("\n")
}

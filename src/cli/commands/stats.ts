import { Effect, Schema } from "effect"
import { AuditService, BacklogService, Stats } from "../../index.ts"
import { asOfBacklog } from "../asOf.ts"
import { atFlag, momentOfFlag } from "../at.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { table } from "../table.ts"
import { duration } from "../times.ts"
import { verb } from "../verb.ts"

export const stats = verb(
  "stats",
  {
    about:
      "The backlog in numbers: how many cards have each status, how many can be claimed, how many wait; with --at as they were at that moment.",
    brief: "The backlog in numbers",
    examples: [{ command: "backlog stats" }, { command: "backlog stats --json --at 2026-01-22" }]
  },
  { at: atFlag("moment") },
  Effect.fnUntraced(function* (flags) {
    const at = yield* momentOfFlag(flags.at)
    return Effect.gen(function* () {
      const past = at === undefined ? undefined : yield* (yield* AuditService).backlogAt(at)
      const numbers = past === undefined ? yield* (yield* BacklogService).stats : past.stats
      return reply(
        () => encode(numbers),
        (page) =>
          `${past === undefined ? "" : `${asOfBacklog(past)}\n\n`}${describeStats(numbers, page, past === undefined)}`
      )
    })
  })
)

const encode = Schema.encodeSync(Stats)

const describeStats = (numbers: Stats, page: Page, isNow: boolean): string => {
  const { counts } = numbers
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["ready", String(counts.ready)],
    [isNow ? "  claimable now" : "  claimable", String(numbers.claimable)],
    ["  waiting for other cards", String(numbers.waiting)],
    ["claimed", String(counts.claimed)],
    ["  of them run out", String(numbers.expiredClaimCount)],
    ["blocked", String(counts.blocked)],
    ["done", String(counts.done)],
    ["total", String(numbers.total)]
  ]
  const lines = table(
    [
      { title: "STATUS", text: ([name]) => name },
      { title: "CARDS", text: ([, count]) => count, align: "right" }
    ],
    rows,
    page
  )
  return numbers.oldestReadyAgeSeconds === null
    ? lines.join("\n")
    : [
        ...lines,
        "",
        `The oldest ready card ${isNow ? "is" : "was"} ${duration(numbers.oldestReadyAgeSeconds)} old.`
      ].join("\n")
}

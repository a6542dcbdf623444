import { Effect, Schema } from "effect"
import { BacklogService, Stats } from "../../index.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { table } from "../table.ts"
import { duration } from "../times.ts"
import { verb } from "../verb.ts"

export const stats = verb(
  "stats",
  {
    about: "The backlog in numbers: how many cards have each status, how many can be claimed, how many wait.",
    brief: "The backlog in numbers",
    examples: [{ command: "backlog stats" }, { command: "backlog stats --json" }]
  },
  {},
  () =>
    Effect.succeed(
      Effect.gen(function* () {
        const backlog = yield* BacklogService
        const numbers = yield* backlog.stats
        return reply(
          () => encode(numbers),
          (page) => describeStats(numbers, page)
        )
      })
    )
)

const encode = Schema.encodeSync(Stats)

const describeStats = (numbers: Stats, page: Page): string => {
  const { counts } = numbers
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["ready", String(counts.ready)],
    ["  claimable now", String(numbers.claimable)],
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
    : [...lines, "", `The oldest ready card is ${duration(numbers.oldestReadyAgeSeconds)} old.`].join("\n")
}

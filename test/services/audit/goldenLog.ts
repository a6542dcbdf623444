import { Effect, Stream } from "effect"
import { readFileSync } from "node:fs"
import { expect } from "vitest"
import { formatAnchor, parseAnchor } from "../../../src/events/Anchor.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { plain } from "../../support/backlogs.ts"
import type { Test } from "../conformance/harness.ts"

const golden = (name: string): string =>
  readFileSync(new URL(`../../events/golden-log/${name}`, import.meta.url), "utf8")

/** The anchor that was printed when the golden log was exported. */
const anchorOfThen =
  "mosaic-backlog-anchor 1 17 5d937c84522c857525914149b124bbb5d5a37cf617d7a53a4d507136c813e4db 2026-11-24T16:39:02.226Z"

/** A log with every type of event, exported by the first version with an export, like the files that users have. */
export const goldenLog = (test: Test): void => {
  test(
    "an old exported log is imported and continues its old anchor",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      const lines = golden("log.v1.jsonl").trimEnd().split("\n")
      yield* audit.importLog(Stream.fromIterable(lines.map((text, index) => ({ number: index + 1, text }))))
      const anchor = yield* Effect.fromResult(parseAnchor(anchorOfThen))
      expect(formatAnchor(anchor)).toBe(anchorOfThen)
      expect(yield* audit.verify({ anchor })).toMatchObject({
        position: 17,
        erasedParts: 2,
        anchoredPosition: 17,
        divergences: []
      })
      // The fields that cards have got since.
      const since = { labels: [], noteCount: 0, lastNote: null }
      const cards = JSON.parse(golden("cards.v1.json")) as ReadonlyArray<object>
      expect((yield* backlog.list()).map(plain)).toEqual(cards.map((card) => ({ ...card, ...since })))
      expect(Array.from(yield* Stream.runCollect(audit.exportLog)).slice(1, lines.length)).toEqual(lines.slice(1))
    })
  )
}

import { Effect, Schema } from "effect"
import { AuditService, Erasure } from "../../index.ts"
import { switchFlag } from "../flags.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { type Column, table } from "../table.ts"
import { oneLine } from "../terminalText.ts"
import { moment } from "../times.ts"
import { verb } from "../verb.ts"

export const erasures = verb(
  "erasures",
  {
    about:
      "Lists the redactions that erased something, and for each whether its bytes are still in the data files: `erased from reads`, or `removed from pages`. A server that connects as the owner removes them in the background, `backlog doctor --fix` at once.",
    brief: "Redactions, and whether their bytes are removed from the data files",
    examples: [{ command: "backlog erasures" }, { command: "backlog erasures --pending --json" }]
  },
  { pending: switchFlag("pending", "Only those whose bytes are still in the data files") },
  ({ pending }) =>
    Effect.succeed(
      Effect.gen(function* () {
        const found = yield* (yield* AuditService).erasures({ pending })
        return reply(
          () => encode(found),
          (page) =>
            found.length === 0
              ? pending
                ? "No redaction is pending."
                : "Nothing was redacted."
              : table(columns(page), found, page).join("\n")
        )
      })
    )
)

const encode = Schema.encodeSync(Schema.Array(Erasure))

const columns = (page: Page): ReadonlyArray<Column<Erasure>> => [
  { title: "POSITION", text: ({ position }) => String(position), align: "right" },
  { title: "CARD", text: ({ cardId }) => oneLine(cardId), atLeast: 12, paint: () => page.bold },
  { title: "STATE", text: ({ state }) => state },
  { title: "ERASED", text: ({ erasedAt }) => moment(erasedAt) },
  { title: "PROBLEM", text: ({ problem }) => (problem === null ? "" : oneLine(problem)), atLeast: 12 }
]

import { Duration, Effect, Schema } from "effect"
import { AuditService, MadeAnchor, Verification } from "../../index.ts"
import { decodeObservationsOptions } from "../../services/AuditInput.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { integerFlag } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { type Column, formatTable } from "../table.ts"
import type { TextStyle } from "../terminalText.ts"

const limitFlag = integerFlag("limit", "Maximum number of lines: 1 to 1000. Defaults to 100")

export const verificationsCommand = defineCommand(
  "verifications",
  {
    description:
      "Lists the last 1,000 verifications that ended, the latest first: when, up to which position, and what they found. The list shows what programs reported, and proves nothing: `backlog verify` does.",
    summary: "List the verifications that were carried out",
    examples: [{ command: "backlog verifications" }, { command: "backlog verifications --limit 1 --json" }]
  },
  { limit: limitFlag },
  Effect.fnUntraced(function* (flags) {
    const options = yield* decodeObservationsOptions(flags)
    return Effect.gen(function* () {
      const found = yield* (yield* AuditService).verifications(options)
      return makeOutput(
        () => encodeVerifications(found),
        (style) =>
          found.length === 0
            ? "No verification was recorded."
            : formatTable(verificationColumns(style), found, style).join("\n")
      )
    })
  })
)

const encodeVerifications = Schema.encodeSync(Schema.Array(Verification))

const verificationColumns = (style: TextStyle): ReadonlyArray<Column<Verification>> => [
  { title: "VERIFIED", text: ({ verifiedAt }) => formatTime(verifiedAt) },
  { title: "POSITION", text: ({ position }) => String(position), align: "right" },
  {
    title: "OUTCOME",
    text: ({ outcome }) => outcome,
    paint: ({ outcome }) => (outcome === "consistent" ? style.green : style.red)
  },
  { title: "DIVERGENCES", text: ({ divergences }) => String(divergences), align: "right" },
  {
    title: "ANCHOR",
    text: ({ anchorMatched, anchorPosition }) =>
      anchorPosition === null ? "" : `${anchorPosition} ${anchorMatched === true ? "matches" : "differs"}`
  },
  { title: "TOOK", text: ({ durationMillis }) => Duration.format(Duration.millis(durationMillis)) },
  { title: "BY", text: ({ actor }) => actor ?? "", minWidth: 8 }
]

export const anchorsCommand = defineCommand(
  "anchors",
  {
    description:
      "Lists the last 1,000 anchors that were made, the latest first. The list is in the same database as the log, and proves nothing: compare the log with an anchor that was kept elsewhere, with `backlog verify --anchor-file`.",
    summary: "List the anchors that were made",
    examples: [{ command: "backlog anchors" }, { command: "backlog anchors --limit 1 --json" }]
  },
  { limit: limitFlag },
  Effect.fnUntraced(function* (flags) {
    const options = yield* decodeObservationsOptions(flags)
    return Effect.gen(function* () {
      const found = yield* (yield* AuditService).anchors(options)
      return makeOutput(
        () => encodeAnchors(found),
        (style) =>
          found.length === 0 ? "No anchor was recorded." : formatTable(anchorColumns, found, style).join("\n")
      )
    })
  })
)

const encodeAnchors = Schema.encodeSync(Schema.Array(MadeAnchor))

const anchorColumns: ReadonlyArray<Column<MadeAnchor>> = [
  { title: "MADE", text: ({ madeAt }) => formatTime(madeAt) },
  { title: "POSITION", text: ({ position }) => String(position), align: "right" },
  { title: "CHAIN HASH", text: ({ chainHash }) => chainHash },
  { title: "SIGNED", text: ({ signature }) => (signature === null ? "no" : "yes") },
  { title: "BY", text: ({ actor }) => actor ?? "", minWidth: 8 }
]

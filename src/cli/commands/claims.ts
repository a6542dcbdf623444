import { Effect, Schema } from "effect"
import { ActiveClaim, BacklogService } from "../../index.ts"
import { decodeClaimsOptions } from "../../services/BacklogInput.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { integerFlag, textFlag } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { type Column, formatTable } from "../table.ts"

export const claimsCommand = defineCommand(
  "claims",
  {
    description:
      "Lists who holds which card: since when, for how long, with which attempt and how many renewals. The claim that expires first comes first. Expired claims remain until the next claim reclaims them.",
    summary: "List who holds which card",
    examples: [{ command: "backlog claims" }, { command: "backlog claims --owner worker-1 --json" }]
  },
  {
    owner: textFlag("owner", "Only claims of this owner", "OWNER"),
    limit: integerFlag("limit", "Maximum number of claims: 1 to 1000. Defaults to 100")
  },
  Effect.fnUntraced(function* (flags) {
    const options = yield* decodeClaimsOptions(flags)
    return Effect.gen(function* () {
      const claims = yield* (yield* BacklogService).claims(options)
      const columns: ReadonlyArray<Column<ActiveClaim>> = [
        { title: "ID", text: ({ id }) => id, minWidth: 12 },
        { title: "OWNER", text: ({ owner }) => owner, minWidth: 8 },
        { title: "TOKEN", text: ({ token }) => String(token), align: "right" },
        { title: "SINCE", text: ({ claimedAt }) => formatTime(claimedAt) },
        { title: "UNTIL", text: ({ expired, expiresAt }) => (expired ? "expired" : formatTime(expiresAt)) },
        { title: "ATTEMPT", text: ({ attempt }) => String(attempt), align: "right" },
        { title: "RENEWALS", text: ({ renewals }) => String(renewals), align: "right" },
        { title: "LAST NOTE", text: ({ lastNote }) => lastNote?.text ?? "", minWidth: 12 },
        { title: "TITLE", text: ({ title }) => title, minWidth: 12 }
      ]
      return makeOutput(
        () => encodeClaims(claims),
        (style) => (claims.length === 0 ? "No card is claimed." : formatTable(columns, claims, style).join("\n"))
      )
    })
  })
)

const encodeClaims = Schema.encodeSync(Schema.Array(ActiveClaim))

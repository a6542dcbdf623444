import { Effect, Schema } from "effect"
import { AuditService, BacklogService, GraphCard, Impact, Neighbourhood } from "../../index.ts"
import { maxCountedNeighbors } from "../../domain/CardGraph.ts"
import { decodeCriticalPathOptions, decodeNeighbourhoodOptions } from "../../services/BacklogInput.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { idArgument, integerFlag, textFlag } from "../flags.ts"
import { atFlag, describeBacklogMoment, parseMoment } from "../moments.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

export const depsCommand = defineCommand(
  "deps",
  {
    description:
      "Shows the cards around a card: what it depends on, what depends on it, and what its completion makes claimable. With --hops it shows cards that are several dependencies away, with --at the cards of that moment.",
    summary: "Show the cards around a card",
    examples: [
      { command: "backlog deps build" },
      { command: "backlog deps build --hops 3 --limit 50 --json", description: "Cards and edges, as JSON" }
    ]
  },
  {
    id: idArgument(),
    hops: integerFlag("hops", "How many dependencies away from the card: 0 to 10. Defaults to 1"),
    limit: integerFlag("limit", "Maximum number of cards: 1 to 1000. Defaults to 100"),
    at: atFlag("moment")
  },
  Effect.fnUntraced(function* ({ at, ...flags }) {
    const input = yield* decodeNeighbourhoodOptions(flags)
    const moment = yield* parseMoment(at)
    return Effect.gen(function* () {
      const past = moment === undefined ? undefined : yield* (yield* AuditService).backlogAt(moment)
      const backlog = past ?? (yield* BacklogService)
      const found = yield* backlog.neighbourhood(input)
      const impact = yield* backlog.impact(input.id)
      return makeOutput(
        () => ({ ...encodeNeighbourhood(found), impact: encodeImpact(impact) }),
        (style) =>
          `${past === undefined ? "" : `${describeBacklogMoment(past)}\n\n`}${describeNeighbourhood(found, impact, style)}`
      )
    })
  })
)

const encodeNeighbourhood = Schema.encodeSync(Neighbourhood)
const encodeImpact = Schema.encodeSync(Impact)
const encodeGraphCards = Schema.encodeSync(Schema.Array(GraphCard))

const statusOf = ({ status, unmetDependencies }: GraphCard): string =>
  status === "ready" && unmetDependencies > 0 ? "waiting" : status

const columns: ReadonlyArray<Column<GraphCard>> = [
  { title: "ID", text: ({ id }) => id, minWidth: 12 },
  { title: "STATUS", text: statusOf },
  { title: "PRIORITY", text: ({ priority }) => String(priority), align: "right" },
  { title: "OWNER", text: ({ owner }) => owner ?? "", minWidth: 6 },
  { title: "TITLE", text: ({ title }) => title, minWidth: 16 }
]

const describeNeighbourhood = (
  { cards, edges, missing, omitted }: Neighbourhood,
  { claimableCount, isComplete, waiting }: Impact,
  style: TextStyle
): string => {
  const [self, ...others] = cards
  if (self === undefined) return ""
  const isEdge = (from: string, to: string) => edges.some((edge) => edge.from === from && edge.to === to)
  const section = (heading: string, rows: ReadonlyArray<GraphCard>) =>
    rows.length === 0 ? [] : [`${style.bold(heading)}\n${formatTable(columns, rows, style).join("\n")}`]
  const dependencies = others.filter(({ id }) => isEdge(self.id, id))
  const dependents = others.filter(({ id }) => isEdge(id, self.id))
  const further = others.filter((card) => !dependencies.includes(card) && !dependents.includes(card))
  const leftOutOf = omitted.flatMap((each) => [each.dependencies, each.dependents])
  const leftOut = leftOutOf.reduce((sum, count) => sum + count, 0)
  return [
    `${style.bold(escapeLine(self.id))}  ${escapeLine(self.title)} (${statusOf(self)})`,
    ...section("It depends on", dependencies),
    ...(missing.length === 0 ? [] : [`These dependencies do not exist: ${missing.map(escapeLine).join(", ")}.`]),
    ...section("These depend on it", dependents),
    ...section("Further away", further),
    [
      `Its completion makes ${claimableCount === 1 ? "1 card" : `${claimableCount} cards`} claimable.`,
      `${isComplete ? "" : "At least "}${waiting === 1 ? "1 open card waits" : `${waiting} open cards wait`} for it.`,
      leftOut === 0
        ? ""
        : `${leftOutOf.includes(maxCountedNeighbors) ? "At least " : ""}${leftOut === 1 ? "1 dependency leads" : `${leftOut} dependencies lead`} from the cards above to cards that are not shown: use --hops or --limit.`
    ]
      .filter((sentence) => sentence !== "")
      .join(" ")
  ].join("\n\n")
}

export const criticalPathCommand = defineCommand(
  "critical-path",
  {
    description:
      "Prints a longest chain of open cards, of which each depends on the one before: the least number of steps that are left. With --at it is that of the moment.",
    summary: "Print a longest chain of open cards",
    examples: [{ command: "backlog critical-path" }, { command: "backlog critical-path --phase release" }]
  },
  {
    phase: textFlag("phase", "Only cards in this phase", "PHASE"),
    label: textFlag("label", "Only cards with this label", "LABEL"),
    at: atFlag("moment")
  },
  Effect.fnUntraced(function* ({ at, ...flags }) {
    const options = yield* decodeCriticalPathOptions(flags)
    const moment = yield* parseMoment(at)
    return Effect.gen(function* () {
      const past = moment === undefined ? undefined : yield* (yield* AuditService).backlogAt(moment)
      const path = yield* (past ?? (yield* BacklogService)).criticalPath(options)
      return makeOutput(
        () => encodeGraphCards(path),
        (style) =>
          `${past === undefined ? "" : `${describeBacklogMoment(past)}\n\n`}${
            path.length === 0
              ? "No open cards."
              : `${formatTable(columns, path, style).join("\n")}\n\n${path.length === 1 ? "1 step" : `${path.length} steps`}`
          }`
      )
    })
  })
)

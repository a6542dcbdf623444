import { Effect, Stream } from "effect"
import { encodeBeads } from "../import/encodeBeads.ts"
import { AuditService } from "../index.ts"
import type { Host } from "./Host.ts"
import { progressBar, withoutProgress } from "./progressBar.ts"
import { reply, type StreamedReply } from "./Reply.ts"
import { oneLine } from "./terminalText.ts"
import { writeLines } from "./writeLines.ts"

/** The cards as they are after the last event, as lines of a beads file, and what is counted as they are taken. */
const issues = Effect.gen(function* () {
  const audit = yield* AuditService
  const { position } = yield* audit.anchor()
  const backlog = yield* audit.backlogAt({ position })
  const lost = new Map<string, number>()
  let written = 0
  return {
    position,
    total: backlog.stats.total,
    counts: () => ({
      issues: written,
      notCarriedOver: Object.fromEntries([...lost].sort(([left], [right]) => (left < right ? -1 : 1)))
    }),
    lines: Stream.map(backlog.cards(), (card) => {
      const issue = encodeBeads(card)
      for (const what of issue.lost) lost.set(what, (lost.get(what) ?? 0) + 1)
      written++
      return issue.line
    })
  }
})

/** Writes the cards to standard output as issues of beads, and to standard error what beads cannot carry. */
export const beadsToOutput = (host: Host["Service"]) =>
  Effect.map(issues, ({ counts, lines }) => {
    const told = Effect.sync(() => tellLosses(host, counts().notCarriedOver))
    return {
      items: Stream.empty,
      documents: "one",
      text: () =>
        Stream.concat(
          Stream.map(lines, (line) => `${line}\n`),
          Stream.fromEffectDrain(told)
        )
    } satisfies StreamedReply<Stream.Error<typeof lines>>
  })

/** The same to a file, which is there when it is complete. With `json` the answer has what is lost. */
export const beadsToFile = Effect.fnUntraced(function* (
  file: string,
  force: boolean,
  host: Host["Service"],
  json: boolean
) {
  const { counts, lines, position, total } = yield* issues
  const onProgress = progressBar(host, "issues")
  yield* withoutProgress(host)(
    writeLines(
      file,
      force,
      Stream.mapArrayEffect(lines, (chunk) => Effect.as(onProgress(counts().issues, total), chunk))
    )
  )
  const written = { file, position, ...counts() }
  if (!json) tellLosses(host, written.notCarriedOver)
  return reply(
    () => written,
    () => `Wrote ${written.issues} issues to ${oneLine(file)}, as of position ${position}.`
  )
})

const tellLosses = ({ stderr }: Host["Service"], lost: Readonly<Record<string, number>>): void => {
  const entries = Object.entries(lost)
  if (entries.length === 0) return
  stderr.write(
    `Not carried over to beads, by how many cards have it:\n${entries.map(([what, count]) => `  ${count}  ${what}\n`).join("")}`
  )
}

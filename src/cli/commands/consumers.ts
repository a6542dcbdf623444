import { DateTime, Effect, Option } from "effect"
import { AuditService, Checkpoint, InvalidInput, ParkedEvent } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { ConsumerNotFound, NotParked } from "../commandErrors.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { integerFlag, optionalArgument } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

export const consumersCommand = defineCommand(
  "consumers",
  {
    description:
      "Shows each event consumer's checkpoint and the number of events that it parked because processing them failed. With NAME it lists that consumer's parked events with reasons. --unpark removes an event from the list after it was handled. After a restore a checkpoint may be beyond the end of the log: --reset-to moves it back.",
    summary: "Show checkpoints of event consumers",
    examples: [
      { command: "backlog consumers" },
      { command: "backlog consumers mailer" },
      { command: "backlog consumers mailer --unpark 1204" },
      { command: "backlog consumers mailer --reset-to 769", description: "After a restore of a log that ends there" }
    ]
  },
  {
    name: optionalArgument("name", "A consumer's name"),
    unpark: integerFlag("unpark", "Remove the event at this position from the parked events", "POSITION"),
    resetTo: integerFlag(
      "reset-to",
      "Move a checkpoint that is beyond the end of the log back to this position",
      "POSITION"
    )
  },
  Effect.fnUntraced(function* ({ name, resetTo, unpark }) {
    if (name === undefined) {
      const flag = unpark !== undefined ? "--unpark" : resetTo !== undefined ? "--reset-to" : undefined
      if (flag !== undefined) {
        return yield* new InvalidInput({
          problem: `${flag} requires a consumer's name: backlog consumers NAME ${flag} POSITION`
        })
      }
      return showAll
    }
    const consumer = yield* decodeName(name)
    if (resetTo !== undefined && unpark !== undefined) {
      return yield* new InvalidInput({ problem: "give --unpark or --reset-to, not both" })
    }
    const to = resetTo === undefined ? undefined : yield* decodeReset(resetTo)
    const position = unpark === undefined ? undefined : yield* decodePosition(unpark)
    return Effect.gen(function* () {
      return to === undefined ? yield* showOne(consumer, position) : yield* resetConsumer(consumer, to)
    })
  })
)

const decodeName = decodeInput(Checkpoint.fields.consumer)
const decodePosition = decodeInput(ParkedEvent.fields.position)
const decodeReset = decodeInput(Checkpoint.fields.position)

/** A consumer's checkpoint. A consumer that has only parked events has position 0 and no time. */
interface Progress {
  readonly consumer: string
  readonly position: number
  readonly behind: number
  /** Number of positions that the checkpoint is beyond the end of the log, which happens after a restore. */
  readonly ahead: number
  readonly updatedAt: DateTime.Utc | null
}

const makeProgress = (consumer: string, found: Checkpoint | undefined, head: number): Progress => {
  const position = found?.position ?? 0
  return {
    consumer,
    position,
    behind: Math.max(0, head - position),
    ahead: Math.max(0, position - head),
    updatedAt: found?.updatedAt ?? null
  }
}

const encodeProgress = ({ updatedAt, ...progress }: Progress) => ({
  ...progress,
  updatedAt: updatedAt === null ? null : DateTime.formatIso(updatedAt)
})

const showAll = Effect.gen(function* () {
  const audit = yield* AuditService
  const checkpoints = new Map((yield* audit.checkpoints).map((checkpoint) => [checkpoint.consumer, checkpoint]))
  const parked = new Map<string, number>()
  for (const { consumer } of yield* audit.parked()) parked.set(consumer, (parked.get(consumer) ?? 0) + 1)
  // Read after the checkpoints, so that only a restore can leave a checkpoint ahead of it.
  const { position: head } = yield* audit.anchor({ record: false })
  const all = [...new Set([...checkpoints.keys(), ...parked.keys()])]
    .sort()
    .map((name) => ({ ...makeProgress(name, checkpoints.get(name), head), parked: parked.get(name) ?? 0 }))
  const columns = (style: TextStyle): ReadonlyArray<Column<Progress & { readonly parked: number }>> => [
    { title: "CONSUMER", text: ({ consumer }) => consumer, minWidth: 12, paint: () => style.bold },
    { title: "POSITION", text: ({ position }) => String(position), align: "right" },
    {
      title: "BEHIND",
      text: ({ ahead, behind }) => (ahead > 0 ? `beyond by ${ahead}` : String(behind)),
      align: "right",
      paint: ({ ahead }) => (ahead > 0 ? style.red : (text) => text)
    },
    {
      title: "PARKED",
      text: (row) => String(row.parked),
      align: "right",
      paint: (row) => (row.parked === 0 ? style.dim : style.red)
    },
    {
      title: "UPDATED",
      text: ({ updatedAt }) => (updatedAt === null ? "never" : formatTime(updatedAt)),
      paint: () => style.dim
    }
  ]
  return makeOutput(
    () => all.map(encodeProgress),
    (style) => (all.length === 0 ? "No consumers." : formatTable(columns(style), all, style).join("\n"))
  )
})

const showOne = Effect.fnUntraced(function* (consumer: string, unpark: number | undefined) {
  const audit = yield* AuditService
  const checkpoint = Option.getOrUndefined(yield* audit.checkpoint(consumer))
  const before = yield* audit.parked(consumer)
  if (checkpoint === undefined && before.length === 0) return yield* new ConsumerNotFound({ consumer })
  if (unpark !== undefined && !(yield* audit.unpark(consumer, unpark))) {
    return yield* new NotParked({ consumer, position: unpark })
  }
  const parked = before.filter(({ position }) => position !== unpark)
  const progress = makeProgress(consumer, checkpoint, (yield* audit.anchor({ record: false })).position)
  return makeOutput(
    () => ({
      ...encodeProgress(progress),
      parkedEvents: parked.map(({ parkedAt, position, reason }) => ({
        position,
        reason,
        parkedAt: DateTime.formatIso(parkedAt)
      }))
    }),
    (style) => describeConsumer(progress, parked, unpark, style)
  )
})

/** Moves a checkpoint that is beyond the end of the log back. */
const resetConsumer = Effect.fnUntraced(function* (consumer: string, to: number) {
  const audit = yield* AuditService
  const checkpoint = Option.getOrUndefined(yield* audit.checkpoint(consumer))
  if (checkpoint === undefined) return yield* new ConsumerNotFound({ consumer })
  const from = checkpoint.position
  const { position: head } = yield* audit.anchor({ record: false })
  if (from <= head) {
    return yield* new InvalidInput({
      problem: `the checkpoint of ${JSON.stringify(consumer)} is at ${from}, and the log ends at ${head}: --reset-to applies only to a checkpoint beyond the end of the log`
    })
  }
  yield* audit.advance(consumer, from, to)
  const progress = makeProgress(consumer, Option.getOrUndefined(yield* audit.checkpoint(consumer)), head)
  return makeOutput(
    () => ({ ...encodeProgress(progress), resetFrom: from }),
    (style) =>
      `${style.bold(escapeLine(consumer))} was at position ${from} and is now at ${to}, ${progress.behind} behind.`
  )
})

const describeConsumer = (
  { ahead, behind, consumer, position, updatedAt }: Progress,
  parked: ReadonlyArray<ParkedEvent>,
  unparked: number | undefined,
  style: TextStyle
): string => {
  const since = updatedAt === null ? "" : ` since ${formatTime(updatedAt)}`
  const lines = [
    ...(unparked === undefined ? [] : [`The event at position ${unparked} is no longer parked.`]),
    ahead > 0
      ? `${style.bold(escapeLine(consumer))} is at position ${position}${since}, ${ahead} beyond the end of the log: after a restore, move it back with --reset-to.`
      : `${style.bold(escapeLine(consumer))} is at position ${position}${since}, ${behind} behind.`
  ]
  if (parked.length === 0) return [...lines, "No events are parked."].join("\n")
  const columns: ReadonlyArray<Column<ParkedEvent>> = [
    { title: "POSITION", text: (event) => String(event.position), align: "right" },
    { title: "PARKED", text: ({ parkedAt }) => formatTime(parkedAt), paint: () => style.dim },
    // The first line is the message, and the others are the stack trace, which only --json prints.
    { title: "REASON", text: ({ reason }) => reason.split("\n", 1)[0] ?? "", minWidth: 20 }
  ]
  return [...lines, "", ...formatTable(columns, parked, style)].join("\n")
}

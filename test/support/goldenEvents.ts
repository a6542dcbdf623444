import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import type { EncodedEvent } from "../../src/events/EventCodec.ts"
import { tables } from "./backlogs.ts"
import { type ForgedEvent, insertEvent, rehash } from "./tampering.ts"

const folder = new URL("../events/golden/", import.meta.url)

/** A stored event of a released type and schema version, and the name of its file without the extension. */
export interface GoldenEvent extends EncodedEvent {
  readonly name: string
}

/** All golden events. */
export const goldenEvents: ReadonlyArray<GoldenEvent> = readdirSync(folder).map((file) => ({
  name: file.replace(/\.json$/, ""),
  ...(JSON.parse(readFileSync(new URL(file, folder), "utf8")) as EncodedEvent)
}))

const newest = (type: string): EncodedEvent => {
  const found = goldenEvents.filter((event) => event.type === type).sort((a, b) => b.schemaVersion - a.schemaVersion)[0]
  if (found === undefined) throw new Error(`there is no golden event of type ${type}`)
  return found
}

const created = (more: object = {}): EncodedEvent => ({
  type: "CardCreated",
  schemaVersion: 1,
  data: {
    title: "A card around a golden event",
    body: null,
    phase: null,
    priority: 0,
    status: "ready",
    dependsOn: [],
    acceptance: null,
    idempotencyKey: null,
    blockedReason: null,
    ...more
  }
})

const revised: EncodedEvent = { type: "CardRevised", schemaVersion: 1, data: { priority: 1 } }

/** The first generation, so that the tokens of the golden events are versions. */
const claimed = (): EncodedEvent => ({
  ...newest("CardClaimed"),
  data: { ...newest("CardClaimed").data, generation: 0 }
})

const fillers = (count: number): ReadonlyArray<EncodedEvent> => Array.from({ length: count }, () => revised)

/** For each type, the events before and after it that make a valid stream. */
const around: Readonly<Record<string, (golden: EncodedEvent) => ReadonlyArray<EncodedEvent>>> = {
  CardCreated: (golden) => [golden],
  CardRevised: (golden) => [created(), golden],
  CardNoted: (golden) => [created(), claimed(), golden],
  CardClaimed: (golden) => [created(), golden],
  ClaimRenewed: (golden) => [created(), claimed(), golden],
  CardReleased: (golden) => [created(), claimed(), golden],
  CardReclaimed: (golden) => [created(), claimed(), golden],
  CardLinked: (golden) => [created(), golden],
  CardUnlinked: (golden) => [created(), newest("CardLinked"), golden],
  // The tokens that these two end are 12 and 31.
  CardBlocked: (golden) => [created(), ...fillers(10), claimed(), golden],
  CardCompleted: (golden) => [created(), ...fillers(29), claimed(), golden],
  CardUnblocked: (golden) => [created({ status: "blocked" }), golden],
  CardReopened: (golden) => [created({ status: "done" }), golden],
  CardRedacted: (golden) => [
    created({ body: "to be erased", acceptance: ["to be erased"] }),
    ...fillers(2),
    { type: "CardBlocked", schemaVersion: 1, data: { reason: "to be erased", endedClaim: null } },
    golden
  ]
}

/** A valid stream that contains a golden event. The id of the card is the name of the event. */
export const streamAround = (golden: GoldenEvent): ReadonlyArray<ForgedEvent> => {
  const stream = around[golden.type]?.({ type: golden.type, schemaVersion: golden.schemaVersion, data: golden.data })
  if (stream === undefined) throw new Error(`nothing is known to stand around an event of type ${golden.type}`)
  return stream.map((event, index) => ({ cardId: golden.name, version: index + 1, ...event }))
}

/** Inserts streams of events into an empty log, with the hashes that the program would compute. */
export const putStreams = (streams: ReadonlyArray<ReadonlyArray<ForgedEvent>>) =>
  Effect.gen(function* () {
    const { events, sql } = yield* tables
    let position = 0
    for (const event of streams.flat()) yield* insertEvent(++position, event)
    // Writing the hashes changes rows, which the triggers of the log refuse.
    yield* sql`ALTER TABLE ${events} DISABLE TRIGGER USER`
    yield* rehash
    yield* sql`ALTER TABLE ${events} ENABLE TRIGGER USER`
  })

/** Erases the fields that the redactions of the log list. */
export const eraseRedacted = Effect.gen(function* () {
  const { events, sql } = yield* tables
  yield* sql`
    UPDATE ${events} AS events SET data = data - erased.parts, commitments = (
      SELECT jsonb_object_agg(key, CASE WHEN key = ANY (erased.parts) THEN value - 'salt' ELSE value END)
      FROM jsonb_each(commitments))
    FROM (SELECT card_id, (erased->>'version')::int AS version,
        ARRAY(SELECT jsonb_array_elements_text(erased->'parts')) AS parts
      FROM ${events} AS redactions, jsonb_array_elements(redactions.data->'erased') AS erased
      WHERE redactions.type = 'CardRedacted') AS erased
    WHERE events.card_id = erased.card_id AND events.version = erased.version`
})

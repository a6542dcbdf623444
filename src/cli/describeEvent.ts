import { type DateTime, Result, Stream } from "effect"
import { decodeRecordedEvent, type Event, type EventParts, type RecordedEvent } from "../index.ts"
import { formatTime, formatTimeNear } from "./moments.ts"
import { type Column, makeTableWriter } from "./table.ts"
import { escapeLine, type TextStyle } from "./terminalText.ts"

/** Maximum length of a text or payload in an event's description, in characters. */
const maxTextLength = 200

/**
 * Describes an event: "claimed by w3 until 12:04:05Z, attempt 2". `attempt` is the number of the card's claim, if known.
 * An event of an unknown type is shown as its type and its data. Erased parts are listed at the end.
 */
export const describeEvent = (recorded: RecordedEvent, attempt?: number): string =>
  Result.match(decodeRecordedEvent(recorded), {
    onFailure: () => `${escapeLine(recorded.type)} ${shorten(JSON.stringify(recorded.data))}`,
    onSuccess: (event) => describeKnownEvent(event, recorded.occurredAt, attempt)
  }) + formatRedacted(recorded.redacted)

/** Describes the events of one card in order, and counts its claims. */
export const describeHistory = (history: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const describe = makeHistoryDescriber()
  return history.map((recorded) => describe(recorded))
}

/** Returns a function that describes the events of one card, which must be passed in order. */
export const makeHistoryDescriber = (): ((recorded: RecordedEvent) => string) => {
  let attempt = 0
  return (recorded) => describeEvent(recorded, recorded.type === "CardClaimed" ? ++attempt : undefined)
}

/** An event and its description. */
interface DescribedEvent {
  readonly event: RecordedEvent
  readonly what: string
}

/**
 * Formats a stream of events as lines of a table. The description is the last column, because its length is unlimited.
 * Columns for correlation, causation and command ids appear only if an event has such an id.
 */
export const formatEvents = <E, R>(
  events: Stream.Stream<RecordedEvent, E, R>,
  describe: (event: RecordedEvent) => string,
  style: TextStyle,
  kind: "ofOneCard" | "ofAll"
): Stream.Stream<string, E, R> => {
  const dim = () => style.dim
  const id: Column<DescribedEvent> = { title: "CARD", text: ({ event }) => event.cardId, paint: () => style.bold }
  const lines = makeTableWriter<DescribedEvent>(
    [
      { title: "POSITION", text: ({ event }) => String(event.position), align: "right", paint: dim },
      ...(kind === "ofAll" ? [id] : []),
      { title: "VERSION", text: ({ event }) => String(event.version), align: "right", paint: dim },
      { title: "WHEN", text: ({ event }) => formatTime(event.occurredAt), paint: dim },
      { title: "RECORDED", text: ({ event }) => formatTimeNear(event.recordedAt, event.occurredAt), paint: dim },
      { title: "WHO", text: ({ event }) => event.actor, minWidth: 8, paint: () => style.bold },
      { title: "CORRELATION", text: ({ event }) => event.correlationId ?? "", minWidth: 11, paint: dim },
      { title: "CAUSATION", text: ({ event }) => event.causationId ?? "", minWidth: 9, paint: dim },
      { title: "COMMAND", text: ({ event }) => event.commandId ?? "", minWidth: 7, paint: dim },
      { title: "WHAT", text: ({ what }) => what }
    ],
    style
  )
  return Stream.map(
    Stream.mapArray(events, (chunk) => [lines(chunk.map((event) => ({ event, what: describe(event) })))]),
    (chunk) => `${chunk.join("\n")}\n`
  )
}

const formatRedacted = (parts: ReadonlyArray<string>): string =>
  parts.length === 0 ? "" : ` (${parts.join(" and ")} redacted)`

const describeKnownEvent = (event: Event, at: DateTime.Utc, attempt: number | undefined): string => {
  const until = (time: DateTime.Utc) => formatTimeNear(time, at)
  switch (event._tag) {
    case "CardCreated":
      return [
        `created ${event.status} with priority ${event.priority}: ${shorten(event.title)}`,
        event.phase === null ? "" : `, phase ${escapeLine(event.phase)}`,
        event.labels.length === 0 ? "" : `, labels ${formatIds(event.labels)}`,
        event.notBefore === null ? "" : `, not claimable before ${until(event.notBefore)}`,
        event.dependsOn.length === 0 ? "" : `, depending on ${formatIds(event.dependsOn)}`,
        formatReason(event.blockedReason)
      ].join("")
    case "CardRevised":
      return `revised: ${formatChanges(event, until)}`
    case "CardNoted":
      return `noted: ${shorten(event.text)}`
    case "CardClaimed":
      return `claimed by ${escapeLine(event.owner)} until ${until(event.expiresAt)}${
        attempt === undefined ? "" : `, attempt ${attempt}`
      }`
    case "ClaimRenewed":
      return `claim of ${escapeLine(event.owner)} renewed until ${until(event.expiresAt)}`
    case "CardReleased":
      return `released by ${escapeLine(event.owner)}${
        event.notBefore === null ? "" : `, not claimable before ${until(event.notBefore)}`
      }${formatReason(event.reason)}`
    case "CardReclaimed":
      return `reclaimed from ${escapeLine(event.owner)}, ${
        event.why === "expired"
          ? `whose claim expired at ${until(event.expiresAt)}`
          : event.why === "restored"
            ? "after a restore of the log"
            : "on request"
      }`
    case "CardLinked":
      return `now depends on ${escapeLine(event.dependsOn)}`
    case "CardUnlinked":
      return `no longer depends on ${escapeLine(event.dependsOn)}`
    case "CardBlocked":
      return `blocked${
        event.endedClaim === null ? "" : `, ending the claim of ${escapeLine(event.endedClaim.owner)}`
      }${formatReason(event.reason)}`
    case "CardUnblocked":
      return `unblocked${formatReason(event.reason)}`
    case "CardCompleted":
      return [
        event.claim === null ? "completed" : `completed under the claim of ${escapeLine(event.claim.owner)}`,
        event.forced ? ", by force" : "",
        event.overrode.length === 0
          ? ""
          : `, although ${formatIds(event.overrode)} ${isOrAre(event.overrode)} not done`,
        event.result === null ? "" : `, result ${shorten(JSON.stringify(event.result))}`
      ].join("")
    case "CardReopened":
      return `reopened${formatReason(event.reason)}`
    case "CardRedacted":
      return `redacted ${formatErased(event.erased)}${formatReason(event.reason)}`
  }
}

/** Formats erased parts: "title and body of version 1, title of version 3". */
export const formatErased = (erased: ReadonlyArray<EventParts>): string =>
  erased.map(({ parts, version }) => `${parts.join(" and ")} of version ${version}`).join(", ")

const formatChanges = (
  event: Extract<Event, { readonly _tag: "CardRevised" }>,
  formatUntil: (time: DateTime.Utc) => string
): string =>
  [
    event.title === undefined ? "" : `title ${shorten(event.title)}`,
    event.priority === undefined ? "" : `priority ${event.priority}`,
    event.phase === undefined ? "" : event.phase === null ? "no phase" : `phase ${escapeLine(event.phase)}`,
    event.labels === undefined ? "" : event.labels.length === 0 ? "no labels" : `labels ${formatIds(event.labels)}`,
    event.notBefore === undefined
      ? ""
      : event.notBefore === null
        ? "claimable at once"
        : `not claimable before ${formatUntil(event.notBefore)}`,
    event.body === undefined ? "" : event.body === null ? "no body" : "body",
    event.acceptance === undefined ? "" : event.acceptance === null ? "no acceptance" : "acceptance"
  ]
    .filter((change) => change !== "")
    .join(", ")

const formatReason = (reason: string | null): string => (reason === null || reason === "" ? "" : `: ${shorten(reason)}`)

const formatIds = (all: ReadonlyArray<string>): string => shorten(all.join(", "))

const isOrAre = (all: ReadonlyArray<string>): string => (all.length === 1 ? "is" : "are")

const shorten = (text: string): string => {
  const characters = Array.from(text.slice(0, maxTextLength * 2))
  return escapeLine(
    characters.length > maxTextLength || text.length > maxTextLength * 2
      ? `${characters.slice(0, maxTextLength).join("")}…`
      : text
  )
}

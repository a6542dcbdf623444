import { type DateTime, Result } from "effect"
import { type Event, decodeRecordedEvent, type EventParts, type RecordedEvent } from "../index.ts"
import { oneLine } from "./terminalText.ts"
import { momentBeside } from "./times.ts"

/** The longest reason or unknown payload that is shown of an event. */
const longest = 200

/**
 * What happened, in words: "claimed by w3 until 12:04:05Z, attempt 2". `attempt` is which claim of the card it is,
 * where that is known. An event of a type that this program does not know is shown as its type and its data. At the end
 * stands which of its parts were erased.
 */
export const describeEvent = (recorded: RecordedEvent, attempt?: number): string =>
  Result.match(decodeRecordedEvent(recorded), {
    onFailure: () => `${oneLine(recorded.type)} ${cut(JSON.stringify(recorded.data))}`,
    onSuccess: (event) => words(event, recorded.occurredAt, attempt)
  }) + redacted(recorded.redacted)

/** What happened to one card, event by event, claims counted. */
export const describeHistory = (history: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const describe = historyDescriber()
  return history.map((recorded) => describe(recorded))
}

/** The same for events that come one after the other, first to last. */
export const historyDescriber = (): ((recorded: RecordedEvent) => string) => {
  let attempt = 0
  return (recorded) => describeEvent(recorded, recorded.type === "CardClaimed" ? ++attempt : undefined)
}

const redacted = (parts: ReadonlyArray<string>): string =>
  parts.length === 0 ? "" : ` (${parts.join(" and ")} redacted)`

const words = (event: Event, at: DateTime.Utc, attempt: number | undefined): string => {
  const until = (time: DateTime.Utc) => momentBeside(time, at)
  switch (event._tag) {
    case "CardCreated":
      return [
        `created ${event.status} with priority ${event.priority}: ${cut(event.title)}`,
        event.phase === null ? "" : `, phase ${oneLine(event.phase)}`,
        event.dependsOn.length === 0 ? "" : `, depending on ${ids(event.dependsOn)}`,
        because(event.blockedReason)
      ].join("")
    case "CardRevised":
      return `revised: ${changes(event)}`
    case "CardClaimed":
      return `claimed by ${oneLine(event.owner)} until ${until(event.expiresAt)}${
        attempt === undefined ? "" : `, attempt ${attempt}`
      }`
    case "ClaimRenewed":
      return `claim of ${oneLine(event.owner)} renewed until ${until(event.expiresAt)}`
    case "CardReleased":
      return `released by ${oneLine(event.owner)}${
        event.notBefore === null ? "" : `, not to be tried before ${until(event.notBefore)}`
      }${because(event.reason)}`
    case "CardReclaimed":
      return `taken back from ${oneLine(event.owner)}, ${
        event.why === "expired"
          ? `whose claim ran out at ${until(event.expiresAt)}`
          : event.why === "restored"
            ? "after a restore of the log"
            : "on request"
      }`
    case "CardLinked":
      return `made to depend on ${oneLine(event.dependsOn)}`
    case "CardUnlinked":
      return `no longer depends on ${oneLine(event.dependsOn)}`
    case "CardBlocked":
      return `blocked${
        event.endedClaim === null ? "" : `, ending the claim of ${oneLine(event.endedClaim.owner)}`
      }${because(event.reason)}`
    case "CardUnblocked":
      return `unblocked${because(event.reason)}`
    case "CardCompleted":
      return [
        event.claim === null ? "completed" : `completed under the claim of ${oneLine(event.claim.owner)}`,
        event.forced ? ", by force" : "",
        event.overrode.length === 0 ? "" : `, although ${ids(event.overrode)} ${isOrAre(event.overrode)} not done`,
        event.result === null ? "" : `, result ${cut(JSON.stringify(event.result))}`
      ].join("")
    case "CardReopened":
      return `reopened${because(event.reason)}`
    case "CardRedacted":
      return `redacted ${describeErased(event.erased)}${because(event.reason)}`
  }
}

/** Which parts of which versions were erased: "title and body of version 1, title of version 3". */
export const describeErased = (erased: ReadonlyArray<EventParts>): string =>
  erased.map(({ parts, version }) => `${parts.join(" and ")} of version ${version}`).join(", ")

const changes = (event: Extract<Event, { readonly _tag: "CardRevised" }>): string =>
  [
    event.title === undefined ? "" : `title ${cut(event.title)}`,
    event.priority === undefined ? "" : `priority ${event.priority}`,
    event.phase === undefined ? "" : event.phase === null ? "no phase" : `phase ${oneLine(event.phase)}`,
    event.body === undefined ? "" : event.body === null ? "no body" : "body",
    event.acceptance === undefined ? "" : event.acceptance === null ? "no acceptance" : "acceptance"
  ]
    .filter((change) => change !== "")
    .join(", ")

const because = (reason: string | null): string => (reason === null || reason === "" ? "" : `: ${cut(reason)}`)

const ids = (all: ReadonlyArray<string>): string => cut(all.join(", "))

const isOrAre = (all: ReadonlyArray<string>): string => (all.length === 1 ? "is" : "are")

const cut = (text: string): string => {
  const characters = Array.from(text.slice(0, longest * 2))
  return oneLine(
    characters.length > longest || text.length > longest * 2 ? `${characters.slice(0, longest).join("")}…` : text
  )
}

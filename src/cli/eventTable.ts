import { Stream } from "effect"
import type { RecordedEvent } from "../index.ts"
import type { Page } from "./Page.ts"
import { type Column, growingTable } from "./table.ts"
import { moment, momentBeside } from "./times.ts"

/** An event, and what it says in words. */
interface DescribedEvent {
  readonly event: RecordedEvent
  readonly what: string
}

/**
 * Events as lines of a table, made as they come. What happened stands last, since nothing limits its length; of the
 * columns before it those that link events to each other are there when an event has such a link.
 */
export const eventLines = <E, R>(
  events: Stream.Stream<RecordedEvent, E, R>,
  describe: (event: RecordedEvent) => string,
  page: Page,
  kind: "ofOneCard" | "ofAll"
): Stream.Stream<string, E, R> => {
  const dim = () => page.dim
  const id: Column<DescribedEvent> = { title: "CARD", text: ({ event }) => event.cardId, paint: () => page.bold }
  const lines = growingTable<DescribedEvent>(
    [
      { title: "POSITION", text: ({ event }) => String(event.position), align: "right", paint: dim },
      ...(kind === "ofAll" ? [id] : []),
      { title: "VERSION", text: ({ event }) => String(event.version), align: "right", paint: dim },
      { title: "WHEN", text: ({ event }) => moment(event.occurredAt), paint: dim },
      { title: "RECORDED", text: ({ event }) => momentBeside(event.recordedAt, event.occurredAt), paint: dim },
      { title: "WHO", text: ({ event }) => event.actor, atLeast: 8, paint: () => page.bold },
      { title: "CORRELATION", text: ({ event }) => event.correlationId ?? "", atLeast: 11, paint: dim },
      { title: "CAUSATION", text: ({ event }) => event.causationId ?? "", atLeast: 9, paint: dim },
      { title: "COMMAND", text: ({ event }) => event.commandId ?? "", atLeast: 7, paint: dim },
      { title: "WHAT", text: ({ what }) => what }
    ],
    page
  )
  return Stream.map(
    Stream.mapArray(events, (chunk) => [lines(chunk.map((event) => ({ event, what: describe(event) })))]),
    (chunk) => `${chunk.join("\n")}\n`
  )
}

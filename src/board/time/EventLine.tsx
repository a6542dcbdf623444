import { Fragment } from "preact"
import type { RecordedEvent } from "../api/types.ts"
import { CardLink } from "../components/CardLink.tsx"
import { eventName } from "../components/eventName.ts"
import { LongText } from "../components/LongText.tsx"
import { Ago, LocalTime } from "../components/Times.tsx"

/** The event at a position: what happened, to which card, and who did it. */
export const EventLine = ({ event }: { readonly event: RecordedEvent }) => {
  const data = Object.entries(event.data).filter(([, value]) => value !== null && value !== "" && !isEmptyList(value))
  return (
    <section class="time-event" aria-label="The event at this position">
      <p>
        <b>{eventName(event.type)}</b> <CardLink id={event.cardId} /> by <span dir="auto">{event.actor}</span>,{" "}
        <LocalTime at={event.recordedAt} />{" "}
        <span class="hint">
          (<Ago at={event.recordedAt} />)
        </span>
      </p>
      {data.length + event.redacted.length > 0 && (
        <details>
          <summary class="hint">Details</summary>
          <dl class="facts">
            {data.map(([name, value]) => (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd>{typeof value === "string" ? <LongText text={value} /> : <code>{JSON.stringify(value)}</code>}</dd>
              </Fragment>
            ))}
            {event.redacted.map((name) => (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd>
                  <span class="mark erased">erased from the log</span>
                </dd>
              </Fragment>
            ))}
          </dl>
        </details>
      )}
    </section>
  )
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

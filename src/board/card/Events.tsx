import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import type { RecordedEvent } from "../api/types.ts"
import { eventName } from "../components/eventName.ts"
import { LongText } from "../components/LongText.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { hrefTo } from "../shell/location.ts"
import { Section } from "./Section.tsx"

/** How many events are shown at first, and more with each press of the button. */
const step = 20

/** The events of a card, the last one first: what the log says, with its proof. */
export const Events = ({ events }: { readonly events: ReadonlyArray<RecordedEvent> }) => {
  const [count, showUpTo] = useState(step)
  const shown = events.slice(-count).toReversed()
  return (
    <Section title="Events" count={formatNumber(events.length)}>
      <ol class="events" reversed>
        {shown.map((event) => (
          <li key={event.version}>
            <EventDetails event={event} />
          </li>
        ))}
      </ol>
      {shown.length < events.length && (
        <button type="button" onClick={() => showUpTo(count + 5 * step)}>
          Showing {formatNumber(shown.length)} of {formatNumber(events.length)}. Show more
        </button>
      )}
    </Section>
  )
}

const EventDetails = ({ event }: { readonly event: RecordedEvent }) => {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span class="event-version">{event.version}</span>
        <b>{eventName(event.type)}</b>
        <span class="hint">
          <span dir="auto">{event.actor}</span> · <LocalTime at={event.recordedAt} />
        </span>
        {event.redacted.length > 0 && <span class="mark erased">erased</span>}
      </summary>
      {isOpen && (
        <dl class="facts">
          {Object.entries(event.data).map(([name, value]) => (
            <Fact key={name} name={name}>
              {typeof value === "string" ? <LongText text={value} /> : <code>{JSON.stringify(value)}</code>}
            </Fact>
          ))}
          {event.redacted.map((name) => (
            <Fact key={name} name={name}>
              <span class="mark erased">erased from the log</span>
            </Fact>
          ))}
          <Fact name="position">
            <a href={hrefTo({ parameters: { at: String(event.position) } })} title="Show the board as of this event">
              {formatNumber(event.position)}
            </a>
          </Fact>
          {event.occurredAt !== event.recordedAt && (
            <Fact name="occurred">
              <LocalTime at={event.occurredAt} />
            </Fact>
          )}
          {(["commandId", "correlationId", "causationId"] as const).map(
            (name) =>
              event[name] !== null && (
                <Fact key={name} name={name}>
                  <code dir="auto">{event[name]}</code>
                </Fact>
              )
          )}
          <Fact name="content hash">
            <code class="hash">{event.contentHash}</code>
          </Fact>
          <Fact name="chain hash">
            <code class="hash">{event.chainHash}</code>
          </Fact>
        </dl>
      )}
    </details>
  )
}

const Fact = ({ children, name }: { readonly name: string; readonly children: ComponentChildren }) => (
  <>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </>
)

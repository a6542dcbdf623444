import { useEffect, useRef } from "preact/hooks"
import { CardCommands } from "../commands/CardCommands.tsx"
import { ClaimabilityMark, claimabilityOf } from "../components/Claimability.tsx"
import { Answered } from "../components/Condition.tsx"
import { Icon } from "../components/Icon.tsx"
import { LongText } from "../components/LongText.tsx"
import { serverNow } from "../api/serverClock.ts"
import type { Card } from "../api/types.ts"
import { useActions } from "../shell/keys.ts"
import { hrefTo, moment, navigate } from "../shell/location.ts"
import { useSingleColumn } from "../shell/useNarrow.ts"
import { Attempts } from "./Attempts.tsx"
import { useCard, useCardQueries } from "./cardQueries.ts"
import { Dependencies, Impact } from "./Dependencies.tsx"
import { Events } from "./Events.tsx"
import { Explanation } from "./Explanation.tsx"
import { Facts } from "./Facts.tsx"
import { JsonValue } from "./JsonValue.tsx"
import { Notes, PastNotes } from "./Notes.tsx"
import { Section } from "./Section.tsx"

/** The card next to a view, which the parameter `card` of the URL names. */
export const CardPanel = ({ id }: { readonly id: string }) => {
  const panel = useRef<HTMLElement>(null)
  const close = (): void => {
    navigate({ parameters: { card: undefined } })
    // The focus returns to where the reader came from, if that is still there.
    document.querySelector<HTMLElement>(`.tile[data-id="${CSS.escape(id)}"]`)?.focus()
  }
  useActions(() => [{ keys: "Escape", label: "Close the card", group: "Card", run: close }], [id])
  const isAlone = useSingleColumn()
  useEffect(() => panel.current?.scrollTo(0, 0), [id])
  return (
    <section class="panel" role={isAlone ? "main" : "complementary"} aria-label={`Card ${id}`} ref={panel}>
      <div class="panel-bar">
        <code dir="auto">{id}</code>
        <a
          class="button quiet"
          href={hrefTo({ view: "graph", parameters: { root: id, expanded: undefined } })}
          title="Show the graph around the card"
        >
          <Icon name="graph" />
          <span class="visually-hidden">Show the graph around the card</span>
        </a>
        <a class="button quiet" href={hrefTo({ view: "card" })} title="Show the card alone">
          <Icon name="expand" />
          <span class="visually-hidden">Show the card alone</span>
        </a>
        <button type="button" class="quiet" onClick={close} title="Close (Esc)">
          <Icon name="close" />
          <span class="visually-hidden">Close</span>
        </button>
      </div>
      <CardDetails key={id} id={id} />
    </section>
  )
}

/** Everything about one card, now or as of the moment of the URL. */
export const CardDetails = ({ id }: { readonly id: string }) => {
  const at = moment.value
  const query = useCard(id, at)
  return (
    <Answered query={query} what="the card" lines={6}>
      {(card) => <Details card={card} at={at} />}
    </Answered>
  )
}

const Details = ({ at, card }: { readonly card: Card; readonly at: number | undefined }) => {
  const queries = useCardQueries(card.id, at)
  const isPast = at !== undefined
  const explanation = queries.explanation.answer.value.value
  const hasUnmet = explanation?.obstacles.some(({ _tag }) => _tag === "UnmetDependencies") ?? false
  const isExpired = explanation?.obstacles.some((each) => each._tag === "Claimed" && each.expired) ?? false
  const kind = isExpired ? "expired" : claimabilityOf(card, hasUnmet, isPast ? Number.NEGATIVE_INFINITY : serverNow())
  return (
    <article class="card">
      <header>
        <ClaimabilityMark kind={kind} />
        <h1 dir="auto">{card.title}</h1>
        <Answered query={queries.explanation} what="the explanation" lines={1}>
          {(value) => <Explanation explanation={value} card={card} />}
        </Answered>
        <CardCommands card={card} />
      </header>
      <Facts card={card} />
      {card.body !== null && (
        <Section title="Description">
          <LongText text={card.body} />
        </Section>
      )}
      {card.acceptance !== null && (
        <Section title="Acceptance criteria">
          <JsonValue value={card.acceptance} />
        </Section>
      )}
      {card.result !== null && (
        <Section title="Result">
          <JsonValue value={card.result} />
        </Section>
      )}
      <Answered query={queries.neighbourhood} what="the dependencies">
        {(value) => <Dependencies card={card} neighbourhood={value} />}
      </Answered>
      {card.status !== "done" && (
        <Answered query={queries.impact} what="the impact" lines={1}>
          {(value) => <Impact impact={value} />}
        </Answered>
      )}
      <Answered query={queries.history} what="the history">
        {(events) => (
          <>
            <Attempts events={events} isPast={isPast} />
            {isPast ? <PastNotes events={events} /> : <Notes card={card} />}
            <Events events={events} />
          </>
        )}
      </Answered>
    </article>
  )
}

import type { Card, Impact as ImpactAnswer, Neighbourhood, Status } from "../api/types.ts"
import { CardLink } from "../components/CardLink.tsx"
import { StatusMark } from "../components/Claimability.tsx"
import { formatNumber } from "../components/Times.tsx"
import { Section } from "./Section.tsx"

/** A card in a list of neighbors. `status` is `null` for a card that does not exist. */
interface Neighbor {
  readonly id: string
  readonly title?: string
  readonly status: Status | null
}

/** The dependencies and the dependents of a card, those that are not done first. */
export const Dependencies = ({
  card: { dependsOn, id },
  neighbourhood
}: {
  readonly card: Pick<Card, "id" | "dependsOn">
  readonly neighbourhood: Neighbourhood
}) => {
  const byId = new Map(neighbourhood.cards.map((card) => [card.id, card]))
  const toNeighbor = (each: string): Neighbor => byId.get(each) ?? { id: each, status: null }
  const dependencies = [
    // Those of its neighbors are missing too.
    ...neighbourhood.missing.filter((each) => dependsOn.includes(each)).map(toNeighbor),
    ...neighbourhood.edges.flatMap(({ from, to }) => (from === id && byId.has(to) ? [toNeighbor(to)] : []))
  ]
  const dependents = neighbourhood.edges.flatMap(({ from, to }) => (to === id ? [toNeighbor(from)] : []))
  const omitted = neighbourhood.omitted.find((each) => each.id === id)
  return (
    <>
      <Neighbors title="Depends on" cards={dependencies} omitted={omitted?.dependencies ?? 0} />
      <Neighbors title="Needed by" cards={dependents} omitted={omitted?.dependents ?? 0} />
    </>
  )
}

const Neighbors = ({
  cards,
  omitted,
  title
}: {
  readonly title: string
  readonly cards: ReadonlyArray<Neighbor>
  readonly omitted: number
}) => {
  if (cards.length === 0) return null
  const openFirst = cards.toSorted((left, right) => Number(left.status === "done") - Number(right.status === "done"))
  return (
    <Section title={title} count={formatNumber(cards.length + omitted)}>
      <ul class="neighbors">
        {openFirst.map((card) => (
          <li key={card.id}>
            <StatusMark status={card.status} />
            <CardLink id={card.id} title={card.title} />
          </li>
        ))}
      </ul>
      {omitted > 0 && (
        <p class="hint">
          Showing {formatNumber(cards.length)} of {formatNumber(cards.length + omitted)}
          {omitted >= 1_000 && " or more"}.
        </p>
      )}
    </Section>
  )
}

/** What completing a card makes claimable at once, and how many cards wait for it in all. */
export const Impact = ({ impact }: { readonly impact: ImpactAnswer }) => {
  if (impact.waiting === 0) return null
  const more = impact.claimableCount - impact.claimable.length
  return (
    <Section title="Completing it frees">
      <p>
        {impact.claimableCount === 0 ? (
          "No card at once."
        ) : (
          <>
            At once{" "}
            {impact.claimable.map((id, index) => (
              <span key={id}>
                {index > 0 && ", "}
                <CardLink id={id} />
              </span>
            ))}
            {more > 0 && ` and ${formatNumber(more)} more`}.
          </>
        )}{" "}
        {impact.isComplete ? "" : "At least "}
        {formatNumber(impact.waiting)} open {impact.waiting === 1 ? "card waits" : "cards wait"} for it, directly or
        through other cards.
      </p>
    </Section>
  )
}

import type { Card } from "../api/types.ts"
import { LocalTime } from "../components/Times.tsx"
import { query } from "../search/currentSearch.ts"
import { addCondition } from "../search/parseSearch.ts"
import { hrefTo } from "../shell/location.ts"

/** The fields of a card that have short values. Names link to the cards that share them. */
export const Facts = ({ card }: { readonly card: Card }) => (
  <dl class="facts">
    <dt>Priority</dt>
    <dd>{card.priority}</dd>
    {card.claimOwner !== null && (
      <>
        <dt>Owner</dt>
        <dd>
          <Condition field="owner" value={card.claimOwner} />
        </dd>
      </>
    )}
    {card.phase !== null && (
      <>
        <dt>Phase</dt>
        <dd>
          <Condition field="phase" value={card.phase} />
        </dd>
      </>
    )}
    {card.labels.length > 0 && (
      <>
        <dt>Labels</dt>
        <dd class="labels">
          {card.labels.map((label) => (
            <Condition key={label} field="label" value={label} />
          ))}
        </dd>
      </>
    )}
    {card.notBefore !== null && (
      <>
        <dt>Not before</dt>
        <dd>
          <LocalTime at={card.notBefore} />
        </dd>
      </>
    )}
    <dt>Created</dt>
    <dd>
      <LocalTime at={card.createdAt} />
    </dd>
    <dt>Changed</dt>
    <dd>
      <LocalTime at={card.updatedAt} /> · version {card.version}
    </dd>
    {card.completedAt !== null && (
      <>
        <dt>Completed</dt>
        <dd>
          <LocalTime at={card.completedAt} />
        </dd>
      </>
    )}
    {card.idempotencyKey !== null && (
      <>
        <dt>Key</dt>
        <dd>
          <code dir="auto">{card.idempotencyKey}</code>
        </dd>
      </>
    )}
  </dl>
)

const Condition = ({ field, value }: { readonly field: "owner" | "phase" | "label"; readonly value: string }) => (
  <a
    class="chip"
    dir="auto"
    href={hrefTo({ view: "board", parameters: { q: addCondition(query.value, field, value) } })}
    title={`Show the cards with this ${field}`}
  >
    {value}
  </a>
)

import type { Card, Explanation as ExplanationAnswer, Obstacle } from "../api/types.ts"
import { CardLink } from "../components/CardLink.tsx"
import { Ago, LocalTime } from "../components/Times.tsx"
import { moment } from "../shell/location.ts"

/** Why a card can or cannot be claimed. */
export const Explanation = ({
  card,
  explanation
}: {
  readonly explanation: ExplanationAnswer
  readonly card: Card
}) => {
  if (explanation.claimable) {
    const isPast = moment.value !== undefined
    return (
      <p class="explanation">
        {isPast ? "A worker could claim it at this moment." : "A worker can claim it now."}
        {card.attempts > 0 && ` It was claimed ${card.attempts === 1 ? "once" : `${card.attempts} times`} before.`}
      </p>
    )
  }
  return (
    <div class="explanation">
      {explanation.obstacles.map((obstacle) => (
        <p key={obstacle._tag}>
          <ObstacleSentence obstacle={obstacle} />
        </p>
      ))}
    </div>
  )
}

/** How many dependencies a sentence names. The list of dependencies has all of them. */
const maxNamed = 5

const ObstacleSentence = ({ obstacle }: { readonly obstacle: Obstacle }) => {
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const { dependencies } = obstacle
      const more = dependencies.length - maxNamed
      return (
        <>
          It waits for{" "}
          {dependencies.slice(0, maxNamed).map(({ id, status }, index) => (
            <span key={id}>
              {index > 0 && ", "}
              <CardLink id={id} /> ({status ?? "does not exist"})
            </span>
          ))}
          {more > 0 && ` and ${more} more`}.
        </>
      )
    }
    case "Claimed":
      return obstacle.expired ? (
        <>
          The lease of <b dir="auto">{obstacle.holder}</b> expired at <LocalTime at={obstacle.expiresAt} />. The next
          claim reclaims the card.
        </>
      ) : (
        <>
          <b dir="auto">{obstacle.holder}</b> holds it until <LocalTime at={obstacle.expiresAt} />.
        </>
      )
    case "Blocked":
      return obstacle.reason === null ? (
        <>It is blocked.</>
      ) : (
        <>
          It is blocked: <span dir="auto">{obstacle.reason}</span>
        </>
      )
    case "Done":
      return obstacle.completedAt === null ? (
        <>It is done.</>
      ) : (
        <>
          It has been done since <LocalTime at={obstacle.completedAt} />.
        </>
      )
    case "NotYet":
      return (
        <>
          It cannot be claimed before <LocalTime at={obstacle.notBefore} />{" "}
          {moment.value === undefined && (
            <>
              (<Ago at={obstacle.notBefore} />)
            </>
          )}
          .
        </>
      )
  }
}

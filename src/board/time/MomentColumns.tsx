import { ClaimabilityMark, claimabilities } from "../components/Claimability.tsx"
import { formatNumber } from "../components/Times.tsx"
import { hrefTo } from "../shell/location.ts"
import type { ShownMoment } from "./loadMoment.ts"

/** The board as of a moment, in short: how many cards each column has, and the first of them. */
export const MomentColumns = ({ moment }: { readonly moment: ShownMoment }) => (
  <div class="time-columns">
    {claimabilities.map((kind) => {
      const cards = moment.cards[kind]
      const count = moment.counts[kind]
      const more = count - cards.length
      return (
        <section key={kind} class={`time-column ${kind}`}>
          <h2>
            <ClaimabilityMark kind={kind} /> <span class="count">{formatNumber(count)}</span>
          </h2>
          <ul>
            {cards.map(({ claimOwner, id, title }) => (
              <li key={id}>
                <a href={hrefTo({ parameters: { card: id } })} title={title}>
                  <span dir="auto">{title}</span>
                </a>
                {claimOwner !== null && (
                  <span class="hint" dir="auto">
                    {claimOwner}
                  </span>
                )}
              </li>
            ))}
          </ul>
          {more > 0 && (
            <a class="hint" href={hrefTo({ view: "board", parameters: { q: `status:${kind}` } })}>
              {formatNumber(more)} more
            </a>
          )}
        </section>
      )
    })}
  </div>
)

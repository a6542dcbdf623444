import { Notice } from "../components/Condition.tsx"
import { openCard } from "../shell/location.ts"
import { CardDetails } from "./CardView.tsx"

/** The card of the URL on a page of its own. */
export const CardPage = () => {
  const id = openCard.value
  return id === undefined ? (
    <Notice icon="note" title="No card is chosen">
      Open a card from another view.
    </Notice>
  ) : (
    <div class="card-page">
      <code class="hint" dir="auto">
        {id}
      </code>
      <CardDetails key={id} id={id} />
    </div>
  )
}

import { useEffect, useState } from "preact/hooks"
import { getJson } from "../api/request.ts"
import type { CardSummary } from "../api/types.ts"
import { Icon } from "../components/Icon.tsx"
import { hrefTo, navigate, route } from "../shell/location.ts"
import { centerOn, criticalPathAddress, pathOfRoute } from "./graphRoute.ts"
import type { GraphQuestion } from "./loadGraph.ts"

/** Which part of the graph is shown, and how. */
export const GraphBar = ({
  isTree,
  question
}: {
  readonly question: GraphQuestion | undefined
  readonly isTree: boolean
}) => (
  <div class="graph-bar">
    <CardField />
    {question === undefined ? (
      <PathConditions />
    ) : (
      <>
        <a class="button" href={criticalPathAddress()}>
          Critical path
        </a>
        <span class="choice" role="group" aria-label="Distance">
          {[1, 2].map((hops) => (
            <button
              key={hops}
              type="button"
              aria-pressed={question.hops === hops}
              onClick={() => navigate({ parameters: { hops: hops === 2 ? undefined : "1" } })}
            >
              {hops === 1 ? "1 step" : "2 steps"}
            </button>
          ))}
        </span>
      </>
    )}
    <span class="choice graph-display" role="group" aria-label="Display">
      <a
        class="button"
        href={hrefTo({ parameters: { display: undefined } })}
        aria-current={!isTree ? "true" : undefined}
      >
        Drawing
      </a>
      <a
        class="button"
        href={hrefTo({ parameters: { display: "tree" } })}
        aria-current={isTree ? "true" : undefined}
        title="Switch (s)"
      >
        Tree
      </a>
    </span>
  </div>
)

/** The field for the card in the middle. It takes an id, and proposes cards with the words that it contains. */
const CardField = () => {
  const [text, setText] = useState("")
  const found = useProposals(text)
  const go = (id: string): void => {
    setText("")
    centerOn(id)
  }
  return (
    <form
      class="graph-field"
      role="search"
      aria-label="Card in the middle"
      onSubmit={(event) => {
        event.preventDefault()
        const id = text.trim()
        if (id !== "") go(found.some((card) => card.id === id) ? id : (onlyOf(found)?.id ?? id))
      }}
    >
      <Icon name="search" />
      <input
        type="text"
        list="graph-proposals"
        placeholder="Card id or words"
        aria-label="Show the graph around this card: its id, or words"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => {
          const { value } = currentTarget
          // A chosen proposal arrives as input, and is an id.
          if (found.some(({ id }) => id === value)) go(value)
          else setText(value)
        }}
      />
      <datalist id="graph-proposals">
        {found.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </datalist>
    </form>
  )
}

const onlyOf = (cards: ReadonlyArray<CardSummary>): CardSummary | undefined =>
  cards.length === 1 ? cards[0] : undefined

const maxProposals = 8

const useProposals = (text: string): ReadonlyArray<CardSummary> => {
  const [found, setFound] = useState<ReadonlyArray<CardSummary>>([])
  useEffect(() => {
    setFound([])
    if (text.trim() === "") return undefined
    const controller = new AbortController()
    const timer = setTimeout(() => {
      const query = { text: text.slice(0, 500), limit: maxProposals, fields: "summary" }
      // Without proposals the field still takes an id.
      getJson<ReadonlyArray<CardSummary>>("list", query, controller.signal).then(setFound, () => undefined)
    }, 150)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [text])
  return found
}

/** The conditions of the critical path: a phase and a label. */
const PathConditions = () => {
  const { label, phase } = pathOfRoute()
  return (
    <form
      key={`${phase}\n${label}`}
      class="graph-conditions"
      onSubmit={(event) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget)
        const valueOf = (name: string): string | undefined => {
          const value = given.get(name)
          return (typeof value === "string" && value.trim()) || undefined
        }
        navigate({ parameters: { phase: valueOf("phase"), label: valueOf("label") } })
      }}
    >
      <input name="phase" aria-label="Phase" placeholder="Any phase" defaultValue={phase ?? ""} autocomplete="off" />
      <input name="label" aria-label="Label" placeholder="Any label" defaultValue={label ?? ""} autocomplete="off" />
      <button type="submit">Filter</button>
      {(phase !== undefined || label !== undefined) && (
        <a class="button quiet" href={criticalPathAddress()}>
          Clear
        </a>
      )}
    </form>
  )
}

/** Switches between the drawing and the tree. */
export const switchDisplay = (): void =>
  navigate({ parameters: { display: route.peek().parameters["display"] === "tree" ? undefined : "tree" } })

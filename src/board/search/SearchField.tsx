import { useEffect, useRef, useState } from "preact/hooks"
import { Icon } from "../components/Icon.tsx"
import { navigate } from "../shell/location.ts"
import { query, search } from "./currentSearch.ts"
import { statusWords } from "./parseSearch.ts"

/** How long the reader must not type before the search takes effect, in milliseconds. Enter does not wait. */
const pauseMillis = 250

/** The search field of the page. What the reader writes is in the URL. */
export const SearchField = () => {
  const [text, setText] = useState(query.value)
  const input = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    // While the reader types, the field is ahead of the URL, which has no spaces at the ends.
    if (timer.current === undefined) setText((known) => (known.trim() === query.value ? known : query.value))
  }, [query.value])
  const apply = (value: string): void => {
    clearTimeout(timer.current)
    timer.current = undefined
    navigate({ parameters: { q: value.trim() === "" ? undefined : value.trim() } }, { replace: true })
  }
  const { problems } = search.value
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        apply(text)
      }}
    >
      <Icon name="search" />
      <input
        id="search"
        ref={input}
        type="search"
        aria-label="Search"
        aria-describedby={problems.length > 0 ? "search-problems" : undefined}
        placeholder="Words, status:waiting, owner:…, phase:…, label:…, p>=5"
        autocomplete="off"
        spellcheck={false}
        dir="auto"
        value={text}
        onInput={({ currentTarget: { value } }) => {
          setText(value)
          clearTimeout(timer.current)
          timer.current = setTimeout(() => apply(value), pauseMillis)
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return
          if (text === "") input.current?.blur()
          setText("")
          apply("")
        }}
      />
      <kbd aria-hidden="true">/</kbd>
      {text === "" && <SearchHelp />}
      {problems.length > 0 && (
        <p id="search-problems" class="search-problems" role="status">
          {problems.join(" ")}
        </p>
      )}
    </form>
  )
}

const conditions: ReadonlyArray<readonly [string, string]> = [
  ["login page", "words of the id, the title or the body, or their beginnings"],
  ["status:waiting", `one of ${statusWords.join(", ")}`],
  ["owner:worker-1", "cards that the owner holds"],
  ["phase:build", "cards of the phase"],
  ["label:ui  -label:docs", "cards with the label, or without it"],
  ["p>=5  p<3  p=1", "cards of these priorities"]
]

/** What the search understands, shown while the field has the focus and is empty. */
const SearchHelp = () => (
  <dl class="search-help">
    {conditions.map(([example, meaning]) => (
      <div key={example}>
        <dt>
          <code>{example}</code>
        </dt>
        <dd>{meaning}</dd>
      </div>
    ))}
  </dl>
)

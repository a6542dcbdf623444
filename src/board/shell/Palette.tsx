import { useEffect, useState } from "preact/hooks"
import { getJson } from "../api/request.ts"
import type { CardSummary } from "../api/types.ts"
import { Keys } from "../components/Keys.tsx"
import { StatusMark } from "../components/Claimability.tsx"
import { closeDialog } from "./dialogs.ts"
import { currentActions } from "./keys.ts"
import { navigate } from "./location.ts"
import { ShellDialog } from "./ShellDialog.tsx"

/** An entry of the palette. */
interface Entry {
  readonly id: string
  readonly label: string
  readonly group: string
  readonly keys?: string | undefined
  readonly card?: CardSummary
  readonly run: () => void
}

const maxCards = 8

/** The command palette: finds actions of the page, views and cards. */
const Palette = () => {
  const [text, setText] = useState("")
  const [selected, select] = useState(0)
  const cards = useFoundCards(text.trim())
  const entries = entriesFor(text.trim(), cards)
  const chosen = Math.min(selected, entries.length - 1)
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return
    closeDialog()
    // Behind an open dialog, nothing can take the focus.
    document.querySelector<HTMLDialogElement>("dialog.palette")?.close()
    entry.run()
  }
  return (
    <ShellDialog title="Find a card or an action" className="palette">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-entries"
        aria-activedescendant={entries[chosen] === undefined ? undefined : `palette-${chosen}`}
        aria-label="Words of a card, its id, or an action"
        placeholder="Words of a card, its id, or an action"
        autofocus
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          select(0)
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") run(entries[chosen])
          else if (event.key === "ArrowDown") select(Math.min(chosen + 1, entries.length - 1))
          else if (event.key === "ArrowUp") select(Math.max(chosen - 1, 0))
          else return
          event.preventDefault()
        }}
      />
      <ul id="palette-entries" role="listbox" aria-label="Found">
        {entries.map((entry, index) => (
          <li
            key={entry.id}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen}
            ref={(element) => {
              if (index === chosen) element?.scrollIntoView({ block: "nearest" })
            }}
            onClick={() => run(entry)}
          >
            {entry.card === undefined ? (
              <span class="hint">{entry.group}</span>
            ) : (
              <StatusMark status={entry.card.status} />
            )}
            <span dir="auto" class="palette-label">
              {entry.label}
            </span>
            {entry.card !== undefined && <code>{entry.card.id}</code>}
            {entry.keys !== undefined && <Keys keys={entry.keys} />}
          </li>
        ))}
      </ul>
      {entries.length === 0 && <p class="hint">Nothing is found.</p>}
    </ShellDialog>
  )
}

const entriesFor = (text: string, cards: ReadonlyArray<CardSummary>): ReadonlyArray<Entry> => {
  const words = text.toLowerCase().split(/\s+/)
  const seen = new Set<string>()
  const actions = currentActions().flatMap(({ group, keys, label, run }): ReadonlyArray<Entry> => {
    const id = `${group} ${label}`
    const isFound = words.every((word) => id.toLowerCase().includes(word))
    if (!isFound || seen.has(id) || group === "Board" || label === "Find a card or an action") return []
    seen.add(id)
    return [{ id, label, group, keys, run }]
  })
  const found = cards.map((card): Entry => ({
    id: `card ${card.id}`,
    label: card.title,
    group: "Card",
    card,
    run: () => navigate({ parameters: { card: card.id } })
  }))
  const search: ReadonlyArray<Entry> =
    text === ""
      ? []
      : [
          {
            id: "search",
            label: `Show all cards for “${text}”`,
            group: "Search",
            run: () => navigate({ view: "board", parameters: { q: text } })
          }
        ]
  const open: ReadonlyArray<Entry> =
    text === "" || cards.some(({ id }) => id === text)
      ? []
      : [
          {
            id: "open",
            label: `Open the card with the id “${text}”`,
            group: "Card",
            run: () => navigate({ parameters: { card: text } })
          }
        ]
  return [...found, ...search, ...actions, ...open]
}

/** Returns cards with these words: those that are not done first. */
const useFoundCards = (text: string): ReadonlyArray<CardSummary> => {
  const [found, setFound] = useState<ReadonlyArray<CardSummary>>([])
  useEffect(() => {
    if (text === "") {
      setFound([])
      return undefined
    }
    const controller = new AbortController()
    const timer = setTimeout(() => void findCards(text, controller.signal).then(setFound, () => undefined), 120)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [text])
  return found
}

const findCards = async (text: string, ended: AbortSignal): Promise<ReadonlyArray<CardSummary>> => {
  const find = (status: ReadonlyArray<string>): Promise<ReadonlyArray<CardSummary>> =>
    getJson("list", { text: text.slice(0, 500), status, limit: maxCards, fields: "summary" }, ended)
  const [open, done] = await Promise.all([find(["ready", "claimed", "blocked"]), find(["done"])])
  const all = [...open, ...done]
  const exact = all.filter(({ id }) => id === text)
  return [...exact, ...all.filter(({ id }) => id !== text)].slice(0, maxCards)
}

export default Palette

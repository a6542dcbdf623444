import type { ComponentChildren } from "preact"
import { getJson, toFailure } from "../api/request.ts"
import type { Card } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { Answered } from "../components/Condition.tsx"
import { Dialog } from "../components/Dialog.tsx"
import { BulkForm } from "./BulkForm.tsx"
import { CommandForm } from "./CommandForm.tsx"
import { closeCommand, openCommand } from "./openCommand.ts"

/** The form of the command that is open, over the page. */
const CommandDialog = () => {
  const open = openCommand.value
  if (open === undefined) return null
  const { ids, kind } = open
  const [only] = ids
  const of = only === undefined ? "a card" : ids.length === 1 ? only : `${ids.length} cards`
  return (
    <Dialog title={`${kind.verb} ${of}`} onClose={closeCommand} className="command" isForm>
      {ids.length > 1 ? (
        <Targets key={ids.join("\n")} ids={ids}>
          {(cards) => <BulkForm kind={kind} cards={cards} />}
        </Targets>
      ) : only === undefined ? (
        <CommandForm kind={kind} card={undefined} />
      ) : (
        <Targets key={only} ids={ids}>
          {([card]) => <CommandForm kind={kind} card={card} />}
        </Targets>
      )}
    </Dialog>
  )
}

/** Reads the cards as they are now, because what the page shows of them may be older. */
const Targets = ({
  children,
  ids
}: {
  readonly ids: ReadonlyArray<string>
  readonly children: (cards: ReadonlyArray<Card>) => ComponentChildren
}) => {
  const cards = useQuery(ids.join("\n"), (signal) => readCards(ids, signal), { isAffectedBy: false })
  return (
    <Answered query={cards} what={ids.length === 1 ? "the card" : "the cards"}>
      {children}
    </Answered>
  )
}

/** How many requests are sent at the same time. Browsers have six connections for each host. */
const parallel = 4

const readCards = async (ids: ReadonlyArray<string>, signal: AbortSignal): Promise<ReadonlyArray<Card>> => {
  const cards: Array<Card> = []
  for (let start = 0; start < ids.length; start += parallel) {
    const group = ids.slice(start, start + parallel).map((id) => readCard(id, signal))
    for (const card of await Promise.all(group)) if (card !== undefined) cards.push(card)
  }
  return cards
}

/** Reads a card. A card that does not exist any more, after a restore, is left out. */
const readCard = (id: string, signal: AbortSignal): Promise<Card | undefined> =>
  getJson<Card>("get", { id }, signal).catch((cause: unknown) => {
    if (toFailure(cause).kind === "notFound") return undefined
    throw cause
  })

export default CommandDialog

import { useEffect, useRef, useState } from "preact/hooks"
import { apiAddress, type ApiFailure, toFailure } from "../api/request.ts"
import type { Card } from "../api/types.ts"
import { StatusMark } from "../components/Claimability.tsx"
import { CopyButton } from "../components/CopyButton.tsx"
import { Icon } from "../components/Icon.tsx"
import { useFocusOnMount } from "../components/useFocusOnMount.ts"
import { showToast } from "../shell/toast.ts"
import { ActorField } from "./ActorField.tsx"
import type { Values } from "./fields.ts"
import { FieldInput } from "./FieldInput.tsx"
import type { CommandKind } from "./kinds.ts"
import { closeCommand } from "./openCommand.ts"
import { type CommandRequest, type FieldProblems, isRequest, makeRequest } from "./request.ts"
import { selection, setSelecting } from "./selection.ts"
import { isAnswerLost, sendCommand, whyDisabled, whyDisabledFor } from "./send.ts"
import { formatCommandLine } from "./shellWords.ts"

/** What became of the command for one card. */
type Outcome =
  | { readonly _tag: "Sending" }
  | { readonly _tag: "Done"; readonly isUnchanged: boolean }
  | { readonly _tag: "Failed"; readonly failure: ApiFailure }

/** How many commands are sent at the same time. Browsers have six connections for each host. */
const parallel = 4

/** The form of a command for several cards: a preview of what will be done, and then the outcome for each card. */
export const BulkForm = ({ cards, kind }: { readonly kind: CommandKind; readonly cards: ReadonlyArray<Card> }) => {
  const [values, setValues] = useState<Values>({})
  const [problems, setProblems] = useState<FieldProblems>({})
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map())
  const [isSending, setSending] = useState(false)
  const refusal = whyDisabled(kind.name)
  const fields = kind.fields(undefined)
  const refusalOf = (card: Card): string | undefined => kind.refusal(card) ?? whyDisabledFor(kind.name, card)
  const open = cards.filter((card) => refusalOf(card) === undefined && outcomes.get(card.id)?._tag !== "Done")
  const requests = open.map((card) => [card, makeRequest(withFields(kind), card, values)] as const)
  const form = useRef<HTMLFormElement>(null)
  const isOpen = useRef(true)
  useEffect(
    () => () => {
      isOpen.current = false
    },
    []
  )
  useEffect(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), [problems])
  const submit = async (): Promise<void> => {
    const wrong = requests.find(([, request]) => !isRequest(request))?.[1]
    if (wrong !== undefined && !isRequest(wrong)) return setProblems(wrong)
    setProblems({})
    setSending(true)
    const sent = new Map<string, Outcome>()
    await sendAll(kind, requests as ReadonlyArray<readonly [Card, CommandRequest]>, (id, outcome) => {
      sent.set(id, outcome)
      setOutcomes((known) => new Map(known).set(id, outcome))
    })
    setSending(false)
    if (!isOpen.current) showToast({ text: `${kind.verb}: ${describeOutcomes(sent)}.` })
  }
  const done = countOf(outcomes, "Done")
  const failed = countOf(outcomes, "Failed")
  const skipped = cards.length - open.length - done
  const close = (): void => {
    closeCommand()
    if (failed === 0) setSelecting(false)
    else selection.value = new Set(open.map(({ id }) => id))
  }
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (!isSending && refusal === undefined && open.length > 0) void submit()
      }}
    >
      {fields.map((field, index) => (
        <FieldInput
          key={field.name}
          field={field}
          isFirst={index === 0}
          value={values[field.name] ?? ""}
          problem={problems[field.name]}
          onChange={(value) => setValues({ ...values, [field.name]: value })}
        />
      ))}
      <ActorField />
      <p class="hint" role="status">
        {outcomes.size === 0
          ? `${kind.verb} applies to ${open.length} of ${cards.length} selected cards.`
          : `${describeOutcomes(outcomes)}, ${skipped} not applicable.`}
      </p>
      <ul class="bulk">
        {cards.map((card) => (
          <li key={card.id}>
            <StatusMark status={card.status} />
            <code>{card.id}</code>
            <span class="bulk-title" dir="auto">
              {card.title}
            </span>
            <OutcomeMark outcome={outcomes.get(card.id)} refusal={refusalOf(card)} verb={kind.verb} />
          </li>
        ))}
      </ul>
      {refusal !== undefined && <p class="bad">{refusal}</p>}
      {problems[""] !== undefined && (
        <p class="bad" role="alert">
          {problems[""]}
        </p>
      )}
      <div class="command-end">
        <CopyButton
          label="Copy as command lines"
          text={requests
            .flatMap(([, request]) => (isRequest(request) ? [formatCommandLine(request.line, apiAddress)] : []))
            .join("\n")}
        />
        {done > 0 && !isSending && (
          <CloseButton key={open.length === 0} isPrimary={open.length === 0} onClick={close} />
        )}
        {(done === 0 || isSending || open.length > 0) && (
          <button
            type="submit"
            class="primary"
            disabled={refusal !== undefined || (open.length === 0 && !isSending)}
            // Not `disabled`: the button would lose the focus.
            aria-disabled={isSending}
          >
            {isSending ? "Sending…" : failed > 0 ? `Try ${failed} again` : `${kind.verb} ${countCards(open.length)}`}
          </button>
        )}
      </div>
    </form>
  )
}

/** Closes the form. When nothing remains to be sent, it takes the focus of the button that sent the commands. */
const CloseButton = ({ isPrimary, onClick }: { readonly isPrimary: boolean; readonly onClick: () => void }) => {
  const button = useFocusOnMount<HTMLButtonElement>(isPrimary)
  return (
    <button ref={button} type="button" class={isPrimary ? "primary" : ""} onClick={onClick}>
      Close
    </button>
  )
}

const countOf = (outcomes: ReadonlyMap<string, Outcome>, tag: Outcome["_tag"]): number =>
  [...outcomes.values()].filter(({ _tag }) => _tag === tag).length

const describeOutcomes = (outcomes: ReadonlyMap<string, Outcome>): string =>
  `${countOf(outcomes, "Done")} done, ${countOf(outcomes, "Failed")} failed`

const countCards = (count: number): string => (count === 1 ? "1 card" : `${count} cards`)

/** The fields of a command for several cards, which differ from those for one. */
const withFields = (kind: CommandKind): CommandKind => ({ ...kind, fields: () => kind.fields(undefined) })

const sendAll = async (
  kind: CommandKind,
  requests: ReadonlyArray<readonly [Card, CommandRequest]>,
  onOutcome: (id: string, outcome: Outcome) => void
): Promise<void> => {
  const waiting = [...requests]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [{ id, version }, request] = next
      onOutcome(id, { _tag: "Sending" })
      try {
        const answer = await sendCommand(kind.name, request)
        onOutcome(id, { _tag: "Done", isUnchanged: answer.version === version })
      } catch (cause) {
        onOutcome(id, { _tag: "Failed", failure: toFailure(cause) })
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
}

const OutcomeMark = ({
  outcome,
  refusal,
  verb
}: {
  readonly outcome: Outcome | undefined
  readonly refusal: string | undefined
  readonly verb: string
}) => {
  if (outcome === undefined) {
    return refusal === undefined ? (
      <span class="bulk-outcome">{verb}</span>
    ) : (
      <span class="bulk-outcome hint">{refusal}</span>
    )
  }
  switch (outcome._tag) {
    case "Sending":
      return <span class="bulk-outcome hint">Sending…</span>
    case "Done":
      return (
        <span class="bulk-outcome mark claimable">
          <Icon name="done" />
          {outcome.isUnchanged ? "Was so already" : "Done"}
        </span>
      )
    case "Failed":
      return (
        <span class="bulk-outcome mark blocked">
          <Icon name="alert" />
          <span>
            {outcome.failure.message}
            {isAnswerLost(outcome.failure) && " It may have been carried out; trying again is safe."}
          </span>
        </span>
      )
  }
}

import { useEffect, useRef, useState } from "preact/hooks"
import { apiAddress, type ApiFailure, toFailure } from "../api/request.ts"
import type { Card } from "../api/types.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { useFocusOnMount } from "../components/useFocusOnMount.ts"
import { navigate } from "../shell/location.ts"
import { showToast, type Toast } from "../shell/toast.ts"
import { ActorField } from "./ActorField.tsx"
import type { Values } from "./fields.ts"
import { FieldInput } from "./FieldInput.tsx"
import type { CommandKind } from "./kinds.ts"
import { closeCommand } from "./openCommand.ts"
import { type FieldProblems, isRequest, makeRequest } from "./request.ts"
import { isAnswerLost, sendCommand, whyDisabled, whyDisabledFor } from "./send.ts"
import { formatCommandLine } from "./shellWords.ts"

/** The form of a command for one card, or for a new one. */
export const CommandForm = ({ card, kind }: { readonly kind: CommandKind; readonly card: Card | undefined }) => {
  const [initial] = useState<Values>(() => (card === undefined ? {} : (kind.initial?.(card) ?? {})))
  const [values, setValues] = useState<Values>(initial)
  const [problems, setProblems] = useState<FieldProblems>({})
  const [failure, setFailure] = useState<ApiFailure | undefined>()
  const [isSending, setSending] = useState(false)
  const refusal = card === undefined ? whyDisabled(kind.name) : (whyDisabledFor(kind.name, card) ?? kind.refusal(card))
  const hint = card === undefined || refusal !== undefined ? undefined : kind.hint?.(card)
  const request = makeRequest(kind, card, values, initial)
  const fields = kind.fields(card)
  const form = useRef<HTMLFormElement>(null)
  const button = useFocusOnMount<HTMLButtonElement>(fields.length === 0)
  const isOpen = useRef(true)
  useEffect(
    () => () => {
      isOpen.current = false
    },
    []
  )
  useEffect(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), [problems])
  const submit = async (): Promise<void> => {
    setFailure(undefined)
    if (!isRequest(request)) return setProblems(request)
    setProblems({})
    setSending(true)
    try {
      const answer = await sendCommand(kind.name, request)
      showToast(describeSuccess(kind, card, answer))
      // The reader can have closed the form, and opened another one.
      if (!isOpen.current) return
      closeCommand()
      if (kind.name === "create") navigate({ parameters: { card: answer.id } })
    } catch (cause) {
      const problem = toFailure(cause)
      if (isOpen.current) setFailure(problem)
      else showToast(describeLateFailure(kind, card?.id, problem))
    } finally {
      setSending(false)
    }
  }
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (!isSending && refusal === undefined) void submit()
      }}
    >
      {card !== undefined && (
        <p class="command-card" dir="auto">
          {card.title}
        </p>
      )}
      {hint !== undefined && <p class="hint">{hint}</p>}
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
      {refusal !== undefined && <p class="bad">{refusal}</p>}
      {problems[""] !== undefined && (
        <p class="bad" role="alert">
          {problems[""]}
        </p>
      )}
      {failure !== undefined && <Refused failure={failure} />}
      <div class="command-end">
        {isRequest(request) && (
          <CopyButton label="Copy as command line" text={formatCommandLine(request.line, apiAddress)} />
        )}
        <button
          ref={button}
          type="submit"
          class="primary"
          disabled={refusal !== undefined}
          // Not `disabled`: the button would lose the focus.
          aria-disabled={isSending}
        >
          {isSending ? "Sending…" : failure !== undefined && isAnswerLost(failure) ? "Try again" : kind.verb}
        </button>
      </div>
    </form>
  )
}

const Refused = ({ failure }: { readonly failure: ApiFailure }) => (
  <p class="bad" role="alert">
    {failure.message}
    {isAnswerLost(failure) &&
      " The command may have been carried out. Try again: the server carries out the same command only once."}
  </p>
)

/** Describes what the command did. A version that has not changed says that the card was already as the command wants it. */
const describeSuccess = (
  kind: CommandKind,
  before: Pick<Card, "id" | "version"> | undefined,
  answer: Partial<Card> & { readonly madeClaimable?: ReadonlyArray<string> }
): Toast => {
  const freed = answer.madeClaimable ?? []
  const card = answer.id ?? before?.id ?? ""
  if (before !== undefined && answer.version === before.version) return { text: `${card} was so already.`, card }
  return {
    text: `${card} ${kind.done}.${freed.length === 0 ? "" : ` ${freed.length === 1 ? `${freed[0]} is` : `${freed.length} cards are`} claimable now.`}`,
    card
  }
}

/** Describes why a command failed whose form the reader has closed. */
const describeLateFailure = ({ verb }: CommandKind, id: string | undefined, failure: ApiFailure): Toast => ({
  text:
    `${verb} ${id ?? "a card"}: ${failure.message}` +
    (isAnswerLost(failure) ? " The command may have been carried out. The same command is carried out only once." : ""),
  ...(id === undefined ? {} : { card: id })
})

import { useState } from "preact/hooks"
import { apiAddress, type ApiFailure, toFailure } from "../api/request.ts"
import type { Card } from "../api/types.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { navigate } from "../shell/location.ts"
import { showToast } from "../shell/toast.ts"
import { ActorField } from "./ActorField.tsx"
import type { Values } from "./fields.ts"
import { FieldInput } from "./FieldInput.tsx"
import type { CommandKind } from "./kinds.ts"
import { closeCommand } from "./openCommand.ts"
import { type FieldProblems, isRequest, makeRequest } from "./request.ts"
import { isAnswerLost, sendCommand, whyDisabled } from "./send.ts"
import { formatCommandLine } from "./shellWords.ts"

/** The form of a command for one card, or for a new one. */
export const CommandForm = ({ card, kind }: { readonly kind: CommandKind; readonly card: Card | undefined }) => {
  const [initial] = useState<Values>(() => (card === undefined ? {} : (kind.initial?.(card) ?? {})))
  const [values, setValues] = useState<Values>(initial)
  const [problems, setProblems] = useState<FieldProblems>({})
  const [failure, setFailure] = useState<ApiFailure | undefined>()
  const [isSending, setSending] = useState(false)
  const refusal = whyDisabled(kind.name) ?? (card === undefined ? undefined : kind.refusal(card))
  const hint = card === undefined || refusal !== undefined ? undefined : kind.hint?.(card)
  const request = makeRequest(kind, card, values, initial)
  const submit = async (): Promise<void> => {
    if (!isRequest(request)) return setProblems(request)
    setProblems({})
    setSending(true)
    try {
      const answer = await sendCommand(kind.name, request)
      closeCommand()
      showToast(describeSuccess(kind, card?.id, answer))
      if (kind.name === "create") navigate({ parameters: { card: answer.id } })
    } catch (cause) {
      setFailure(toFailure(cause))
    } finally {
      setSending(false)
    }
  }
  return (
    <form
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
      {kind.fields(card).map((field, index) => (
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
      {failure !== undefined && <Refused failure={failure} />}
      <div class="command-end">
        {isRequest(request) && (
          <CopyButton label="Copy as command line" text={formatCommandLine(request.line, apiAddress)} />
        )}
        <button type="submit" class="primary" disabled={refusal !== undefined || isSending}>
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

const describeSuccess = (
  kind: CommandKind,
  id: string | undefined,
  answer: Partial<Card> & { readonly madeClaimable?: ReadonlyArray<string> }
) => {
  const freed = answer.madeClaimable ?? []
  const card = answer.id ?? id ?? ""
  return {
    text: `${card} ${kind.done}.${freed.length === 0 ? "" : ` ${freed.length === 1 ? `${freed[0]} is` : `${freed.length} cards are`} claimable now.`}`,
    card
  }
}

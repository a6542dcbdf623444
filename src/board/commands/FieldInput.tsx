import type { RefObject } from "preact"
import { useId } from "preact/hooks"
import { useFocusOnMount } from "../components/useFocusOnMount.ts"
import type { Field } from "./fields.ts"
import { directionOf } from "./textDirection.ts"

/** The input of a field, with its label, its hint and its problem. */
export const FieldInput = ({
  field,
  isFirst,
  onChange,
  problem,
  value
}: {
  readonly field: Field
  readonly value: string | boolean
  readonly problem: string | undefined
  readonly isFirst: boolean
  readonly onChange: (value: string | boolean) => void
}) => {
  const id = useId()
  const element = useFocusOnMount<HTMLElement>(isFirst)
  const { choices = [], hint, isRequired = false, kind, label } = field
  const common = {
    id,
    "aria-invalid": problem !== undefined,
    "aria-describedby": hint === undefined && problem === undefined ? undefined : `${id}-hint`,
    required: isRequired,
    autofocus: isFirst
  }
  const onText = ({ currentTarget }: { readonly currentTarget: { readonly value: string } }): void =>
    onChange(currentTarget.value)
  if (kind === "switch") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        />
        {label}
      </label>
    )
  }
  const text = String(value)
  return (
    <div class="field">
      <label htmlFor={id}>{label}</label>
      {kind === "text" || kind === "names" || kind === "json" ? (
        <textarea
          {...common}
          ref={element as RefObject<HTMLTextAreaElement>}
          rows={kind === "text" ? 5 : 2}
          class={kind === "json" ? "code" : ""}
          spellcheck={kind === "text"}
          dir={directionOf(text)}
          value={text}
          onInput={onText}
        />
      ) : kind === "choice" ? (
        <select {...common} ref={element as RefObject<HTMLSelectElement>} value={text} onChange={onText}>
          {choices.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      ) : kind === "time" ? (
        <input
          {...common}
          ref={element as RefObject<HTMLInputElement>}
          type="datetime-local"
          step={1}
          value={text}
          onInput={onText}
        />
      ) : (
        <input
          {...common}
          ref={element as RefObject<HTMLInputElement>}
          type="text"
          inputMode={kind === "number" ? "numeric" : "text"}
          autocomplete="off"
          dir="auto"
          value={text}
          onInput={onText}
        />
      )}
      {(problem ?? hint) !== undefined && (
        <p id={`${id}-hint`} class={problem === undefined ? "hint" : "hint bad"}>
          {problem ?? hint}
        </p>
      )}
    </div>
  )
}

import type { IconName } from "../components/Icon.tsx"
import type { Card } from "../api/types.ts"
import type { Field, Values } from "./fields.ts"
import type { Option } from "./shellWords.ts"

/** What a command needs to know of the card that it changes. */
export type TargetCard = Pick<
  Card,
  "id" | "title" | "status" | "claimOwner" | "claimToken" | "dependsOn" | "priority" | "phase" | "notBefore"
> &
  Partial<Pick<Card, "body" | "acceptance">>

/** A command that the page can send. */
export interface CommandKind {
  /** The name of the endpoint, and of the command on the command line. */
  readonly name: string
  /** The label of the button: a verb. */
  readonly verb: string
  /** What it did to a card, after "card": `is complete`. */
  readonly done: string
  readonly icon: IconName
  /** What happens, in the form. Defaults to nothing that is not obvious. */
  readonly hint?: (card: TargetCard) => string | undefined
  readonly fields: (card: TargetCard | undefined) => ReadonlyArray<Field>
  /** The values of the fields when the form is opened. Defaults to empty ones. */
  readonly initial?: (card: TargetCard) => Values
  /** Why the status of the card does not permit the command; `undefined` if it does. */
  readonly refusal: (card: TargetCard) => string | undefined
  /** The members of the request that say which card, and under which claim. Defaults to the id. */
  readonly target?: (card: TargetCard, values: Values) => Readonly<Record<string, unknown>>
  /** The same as options of the command line. Defaults to none; the id is an operand. */
  readonly targetOptions?: (card: TargetCard, values: Values) => ReadonlyArray<Option>
  /** Fields that are operands of the command line, after the id. Defaults to none. */
  readonly operands?: ReadonlyArray<string>
  /** Whether the command without any field would change nothing, so that it is not sent. Defaults to false. */
  readonly needsField?: boolean
  /** Whether the command can be sent for several cards at once, with the same fields. */
  readonly isBulk: boolean
}

const title: Field = { name: "title", flag: "title", label: "Title", kind: "line", isRequired: true }
const body: Field = { name: "body", flag: "body", label: "Description", kind: "text" }
const phase: Field = { name: "phase", flag: "phase", label: "Phase", kind: "line" }
const priority: Field = {
  name: "priority",
  flag: "priority",
  label: "Priority",
  kind: "number",
  hint: "Greater priorities are claimed first."
}
const notBefore: Field = {
  name: "notBefore",
  flag: "not-before",
  label: "Not before",
  kind: "time",
  hint: "The card cannot be claimed before this time."
}
const acceptance: Field = { name: "acceptance", flag: "acceptance", label: "Acceptance criteria (JSON)", kind: "json" }
const reason: Field = { name: "reason", flag: "reason", label: "Reason", kind: "line" }
const addLabels: Field = {
  name: "addLabels",
  flag: "add-label",
  label: "Add labels",
  kind: "names",
  hint: "One on each line."
}
const removeLabels: Field = {
  name: "removeLabels",
  flag: "remove-label",
  label: "Remove labels",
  kind: "names",
  hint: "One on each line."
}

const isClaimed = ({ status }: TargetCard): boolean => status === "claimed"

const notDone = ({ status }: TargetCard): string | undefined =>
  status === "done" ? "The card is done. Reopen it first." : undefined

const always = (): undefined => undefined

/** The claim that a command ends, so that it is refused if another worker has reclaimed the card in the meantime. */
const ofClaim = (card: TargetCard, values: Values = {}) => ({
  id: card.id,
  token: isClaimed(card) && values["force"] !== true ? (card.claimToken ?? undefined) : undefined
})

const claimOption = (card: TargetCard, values: Values = {}): ReadonlyArray<Option> => {
  const { token } = ofClaim(card, values)
  return token === undefined ? [] : [{ flag: "token", value: String(token) }]
}

/** Every command that the page can send, in the order of their buttons. */
export const commandKinds: ReadonlyArray<CommandKind> = [
  {
    name: "complete",
    verb: "Complete",
    done: "is complete",
    icon: "done",
    isBulk: true,
    refusal: ({ status }) => (status === "done" ? "The card is done." : undefined),
    hint: (card) =>
      isClaimed(card) ? `This ends the claim of ${card.claimOwner}, token ${card.claimToken}.` : undefined,
    fields: (card) => [
      { name: "result", flag: "result", label: "Result (JSON)", kind: "json" },
      ...(card === undefined || isClaimed(card)
        ? [
            {
              name: "force",
              flag: "force",
              label: "Also if another worker holds the card by then",
              kind: "switch"
            } as const
          ]
        : [])
    ],
    target: ofClaim,
    targetOptions: claimOption
  },
  {
    name: "note",
    verb: "Note",
    done: "has a new note",
    icon: "note",
    isBulk: true,
    refusal: always,
    fields: () => [{ name: "text", flag: "text", label: "Note", kind: "text", isRequired: true }]
  },
  {
    name: "revise",
    verb: "Revise",
    done: "is revised",
    icon: "edit",
    isBulk: true,
    needsField: true,
    refusal: always,
    fields: (card) =>
      card === undefined
        ? [phase, priority, addLabels, removeLabels, notBefore]
        : [
            { ...title, canClear: true },
            { ...body, canClear: true },
            { ...phase, canClear: true },
            { ...priority, canClear: true, isRequired: true },
            addLabels,
            removeLabels,
            ...(isClaimed(card) ? [] : [{ ...notBefore, canClear: true }]),
            { ...acceptance, canClear: true }
          ],
    initial: (card) => ({
      title: card.title,
      body: card.body ?? "",
      phase: card.phase ?? "",
      priority: String(card.priority),
      notBefore: card.notBefore === null ? "" : toLocalInput(card.notBefore),
      acceptance: card.acceptance == null ? "" : JSON.stringify(card.acceptance, null, 2)
    })
  },
  {
    name: "block",
    verb: "Block",
    done: "is blocked",
    icon: "blocked",
    isBulk: true,
    refusal: (card) => notDone(card) ?? (card.status === "blocked" ? "The card is blocked." : undefined),
    hint: (card) =>
      isClaimed(card) ? `This ends the claim of ${card.claimOwner}, token ${card.claimToken}.` : undefined,
    fields: () => [reason],
    target: ofClaim,
    targetOptions: claimOption
  },
  {
    name: "unblock",
    verb: "Unblock",
    done: "is ready",
    icon: "claimable",
    isBulk: true,
    refusal: ({ status }) => (status === "blocked" ? undefined : "The card is not blocked."),
    fields: () => [reason]
  },
  {
    name: "reopen",
    verb: "Reopen",
    done: "is ready",
    icon: "refresh",
    isBulk: true,
    refusal: ({ status }) => (status === "done" ? undefined : "The card is not done."),
    hint: () => "Open cards that depend on it wait again.",
    fields: () => [reason]
  },
  {
    name: "release",
    verb: "Release",
    done: "is released",
    icon: "claimable",
    isBulk: true,
    refusal: (card) => (isClaimed(card) ? undefined : "The card is not claimed."),
    hint: (card) => `This ends the claim of ${card.claimOwner}, token ${card.claimToken}.`,
    fields: () => [
      reason,
      {
        name: "retryAfterSeconds",
        flag: "retry-after",
        label: "Claimable again after (seconds)",
        kind: "number",
        hint: "With a time, the attempt counts as failed. Empty: at once."
      }
    ],
    target: ofClaim,
    targetOptions: claimOption
  },
  {
    name: "reclaim",
    verb: "Reclaim",
    done: "is reclaimed",
    icon: "refresh",
    isBulk: true,
    refusal: (card) => (isClaimed(card) ? undefined : "The card is not claimed."),
    hint: (card) => `This ends the claim of ${card.claimOwner}, expired or not.`,
    fields: () => []
  },
  {
    name: "link",
    verb: "Link",
    done: "has the dependency",
    icon: "link",
    isBulk: true,
    refusal: always,
    hint: () => "The card waits until the other card is done.",
    fields: () => [{ name: "to", flag: "", label: "Depends on the card", kind: "line", isRequired: true }],
    target: ({ id }) => ({ from: id }),
    operands: ["to"]
  },
  {
    name: "unlink",
    verb: "Unlink",
    done: "no longer has the dependency",
    icon: "link",
    isBulk: false,
    refusal: ({ dependsOn }) => (dependsOn.length > 0 ? undefined : "The card has no dependencies."),
    fields: (card) => [
      {
        name: "to",
        flag: "",
        label: "No longer depends on the card",
        kind: "choice",
        choices: card?.dependsOn ?? [],
        isRequired: true
      }
    ],
    initial: ({ dependsOn }) => ({ to: dependsOn[0] ?? "" }),
    target: ({ id }) => ({ from: id }),
    operands: ["to"]
  }
]

/** Creates a card. It has no target. */
export const createKind: CommandKind = {
  name: "create",
  verb: "Create",
  done: "is created",
  icon: "add",
  isBulk: false,
  refusal: always,
  fields: () => [
    title,
    body,
    { ...priority, hint: "Greater priorities are claimed first. Defaults to 0." },
    phase,
    { name: "labels", flag: "label", label: "Labels", kind: "names", hint: "One on each line." },
    {
      name: "dependsOn",
      flag: "depends-on",
      label: "Depends on the cards",
      kind: "names",
      hint: "One id on each line."
    },
    notBefore,
    acceptance,
    { name: "id", flag: "id", label: "Id", kind: "line", hint: "Never reused. Defaults to a generated id." }
  ]
}

/** Writes a time as the value of an input of the type `datetime-local`: in the reader's time zone, to the second. */
const toLocalInput = (iso: string): string => {
  const time = new Date(iso)
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

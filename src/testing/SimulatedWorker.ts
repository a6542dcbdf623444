import { DateTime } from "effect"
import { claimedCards, type ModelCommand, type ModelOutcome } from "./Model.ts"
import type { CommandTemplate, Step } from "./Program.ts"

interface Held {
  readonly id: string
  readonly token: number
}

/** A worker of a program: what it believes, which is not always so. */
export class SimulatedWorker {
  readonly #name: string
  readonly #prefix: string
  #held: ReadonlyArray<Held> = []
  #beforeCrash: ReadonlyArray<Held> = []
  #last: ModelCommand | undefined
  #commands = 0

  /** Everything that a program names is put after `prefix`, so that programs do not meet. */
  constructor(name: string, prefix: string) {
    this.#name = name
    this.#prefix = prefix
  }

  crash(): void {
    this.#beforeCrash = [...this.#beforeCrash, ...this.#held]
    this.#held = []
  }

  /** The command that a step means for a worker that believes what this one does, whose clock says `ownTime`. */
  command(step: Extract<Step, { readonly _tag: "Send" | "Retry" }>, ownTime: number): ModelCommand | undefined {
    const command =
      step._tag === "Send" ? this.#instantiate(step.template, step.withCommandId, ownTime) : this.#again(step.as)
    this.#last = command
    return command
  }

  /** Takes an answer that it heard. */
  receive(command: ModelCommand, outcome: ModelOutcome): void {
    const forget = (id: string): void => {
      this.#held = this.#held.filter((held) => held.id !== id)
    }
    if (outcome._tag === "Refused") {
      if (outcome.rejection._tag === "ClaimLost") forget(outcome.rejection.id)
      return
    }
    const { answer } = outcome
    if (command._tag === "Release" || command._tag === "Complete") forget(command.id)
    for (const { claimToken: token, id } of claimedCards(command, answer)) {
      if (token === null) continue
      forget(id)
      this.#held = [...this.#held, { id, token }]
    }
  }

  #instantiate(
    { byOwnClock, token: choice, ...template }: CommandTemplate,
    withCommandId: boolean,
    ownTime: number
  ): ModelCommand {
    const correlationId = this.#nextId()
    const origin = { actor: this.#name, correlationId, ...(withCommandId ? { commandId: correlationId } : {}) }
    const shown = this.#shown("id" in template ? template.id : undefined, choice)
    switch (template._tag) {
      case "Create":
        return {
          ...template,
          ...this.#named(template),
          ...(byOwnClock === true ? { occurredAt: DateTime.makeUnsafe(ownTime) } : {}),
          ...origin
        }
      case "CreateMany":
        return { ...template, cards: template.cards.map((card) => ({ ...card, ...this.#named(card) })), ...origin }
      case "Claim":
        return { ...template, ...this.#target(template.id), owner: this.#name, ...origin }
      case "ClaimMany":
        return { ...template, owner: this.#name, ...origin }
      case "Reclaim":
        return { ...template, ...this.#target(template.id), ...origin }
      case "Link":
      case "Unlink":
        return { ...template, from: `${this.#prefix}${template.from}`, to: `${this.#prefix}${template.to}`, ...origin }
      case "Renew":
      case "Release":
        return { ...template, ...shown, ...origin }
      case "Complete": {
        const { claimNext, ...completion } = template
        return {
          ...completion,
          id: shown.id,
          ...(choice === "none" ? {} : { token: shown.token }),
          ...(claimNext === undefined ? {} : { claimNext: { ...claimNext, owner: this.#name } }),
          ...origin
        }
      }
      case "Revise":
      case "Block":
      case "Unblock":
      case "Reopen":
        return { ...template, id: `${this.#prefix}${template.id}`, ...origin }
    }
  }

  #target(id: string | undefined): { readonly id?: string } {
    return id === undefined ? {} : { id: `${this.#prefix}${id}` }
  }

  #named(card: {
    readonly id: string
    readonly dependsOn?: ReadonlyArray<string> | undefined
    readonly idempotencyKey?: string | null | undefined
  }) {
    return {
      id: `${this.#prefix}${card.id}`,
      ...(card.dependsOn === undefined ? {} : { dependsOn: card.dependsOn.map((id) => `${this.#prefix}${id}`) }),
      ...(card.idempotencyKey == null ? {} : { idempotencyKey: `${this.#prefix}${card.idempotencyKey}` })
    }
  }

  /** The card and the token that it shows. The token of a first claim is 2. */
  #shown(id: string | undefined, choice: CommandTemplate["token"]): Held {
    const named = id === undefined || id === "held" ? undefined : `${this.#prefix}${id}`
    const known = choice === "from before a crash" ? this.#beforeCrash : this.#held
    const held = known.findLast((each) => named === undefined || each.id === named)
    const target = named ?? held?.id ?? `${this.#prefix}a`
    return { id: target, token: choice === "guessed" ? 2 : (held?.token ?? 2) }
  }

  #again(as: "same" | "new" | "changed"): ModelCommand | undefined {
    if (this.#last === undefined) return undefined
    if (as === "same") return this.#last
    if (as === "changed") return { ...this.#last, causationId: "changed" }
    const { commandId: _id, ...command } = this.#last
    return { ...command, correlationId: this.#nextId() }
  }

  /** An id of a command that no other command has. */
  #nextId(): string {
    return `${this.#prefix}${this.#name}.${++this.#commands}`
  }
}

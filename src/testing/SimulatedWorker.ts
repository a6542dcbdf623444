import { DateTime } from "effect"
import { claimedCards, type ModelCommand, type ModelOutcome } from "./Model.ts"
import type { CommandTemplate, Step } from "./Program.ts"

interface Held {
  readonly id: string
  readonly token: number
}

/** A worker of a program, with its beliefs about its claims, which may be wrong. */
export class SimulatedWorker {
  readonly #name: string
  readonly #prefix: string
  #held: ReadonlyArray<Held> = []
  #beforeCrash: ReadonlyArray<Held> = []
  #last: ModelCommand | undefined
  #commands = 0

  /** `prefix` is added to all names of a program, so that programs do not affect each other. */
  constructor(name: string, prefix: string) {
    this.#name = name
    this.#prefix = prefix
  }

  crash(): void {
    this.#beforeCrash = [...this.#beforeCrash, ...this.#held]
    this.#held = []
  }

  /** Returns the command that a step means for this worker, whose own clock is at `ownTime`, in milliseconds since 1970. */
  command(step: Extract<Step, { readonly _tag: "Send" | "Retry" }>, ownTime: number): ModelCommand | undefined {
    const command =
      step._tag === "Send" ? this.#instantiate(step.template, step.withCommandId, ownTime) : this.#repeat(step.as)
    this.#last = command
    return command
  }

  /** Updates the beliefs with an answer that the worker received. */
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
    { byOwnClock, notBeforeSeconds, token: choice, ...template }: CommandTemplate,
    withCommandId: boolean,
    ownTime: number
  ): ModelCommand {
    const correlationId = this.#nextId()
    const origin = { actor: this.#name, correlationId, ...(withCommandId ? { commandId: correlationId } : {}) }
    const deferral =
      notBeforeSeconds === undefined
        ? undefined
        : { notBefore: notBeforeSeconds === null ? null : DateTime.makeUnsafe(ownTime + notBeforeSeconds * 1000) }
    const claim = this.#chooseClaim("id" in template ? template.id : undefined, choice)
    switch (template._tag) {
      case "Create":
        return {
          ...template,
          ...this.#withPrefix(template),
          ...(byOwnClock === true ? { occurredAt: DateTime.makeUnsafe(ownTime) } : {}),
          ...deferral,
          ...origin
        }
      case "CreateMany":
        return { ...template, cards: template.cards.map((card) => ({ ...card, ...this.#withPrefix(card) })), ...origin }
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
        return { ...template, ...claim, ...origin }
      case "Complete": {
        const { claimNext, ...completion } = template
        return {
          ...completion,
          id: claim.id,
          ...(choice === "none" ? {} : { token: claim.token }),
          ...(claimNext === undefined ? {} : { claimNext: { ...claimNext, owner: this.#name } }),
          ...origin
        }
      }
      case "Note":
        return { ...template, id: claim.id, ...(choice === "none" ? {} : { token: claim.token }), ...origin }
      case "Revise":
        return { ...template, id: `${this.#prefix}${template.id}`, ...deferral, ...origin }
      case "Block":
      case "Unblock":
      case "Reopen":
        return { ...template, id: `${this.#prefix}${template.id}`, ...origin }
    }
  }

  #target(id: string | undefined): { readonly id?: string } {
    return id === undefined ? {} : { id: `${this.#prefix}${id}` }
  }

  #withPrefix(card: {
    readonly id?: string | undefined
    readonly dependsOn?: ReadonlyArray<string> | undefined
    readonly idempotencyKey?: string | null | undefined
  }) {
    return {
      ...(card.id === undefined ? {} : { id: `${this.#prefix}${card.id}` }),
      ...(card.dependsOn === undefined ? {} : { dependsOn: card.dependsOn.map((id) => `${this.#prefix}${id}`) }),
      ...(card.idempotencyKey == null ? {} : { idempotencyKey: `${this.#prefix}${card.idempotencyKey}` })
    }
  }

  /** The card and the token to send. The token of a card's first claim is 2. */
  #chooseClaim(id: string | undefined, choice: CommandTemplate["token"]): Held {
    const named = id === undefined || id === "held" ? undefined : `${this.#prefix}${id}`
    const known = choice === "from before a crash" ? this.#beforeCrash : this.#held
    const held = known.findLast((each) => named === undefined || each.id === named)
    const target = named ?? held?.id ?? `${this.#prefix}a`
    return { id: target, token: choice === "guessed" ? 2 : (held?.token ?? 2) }
  }

  #repeat(as: "same" | "new" | "changed"): ModelCommand | undefined {
    if (this.#last === undefined) return undefined
    if (as === "same") return this.#last
    if (as === "changed") return { ...this.#last, causationId: "changed" }
    const { commandId: _id, ...command } = this.#last
    return { ...command, correlationId: this.#nextId() }
  }

  /** A new command id. */
  #nextId(): string {
    return `${this.#prefix}${this.#name}.${++this.#commands}`
  }
}

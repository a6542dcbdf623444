import { DateTime } from "effect"
import type { Card, Status } from "../index.ts"

/** A card as a line of a beads file, and what of it beads has no place for or takes only in another form. */
export interface BeadsLine {
  readonly line: string
  readonly lost: ReadonlyArray<string>
}

const statuses: Readonly<Record<Status, string>> = {
  ready: "open",
  claimed: "in_progress",
  blocked: "blocked",
  done: "closed"
}

/** Who made the edges: beads asks for a name, and a card does not know it. */
const maker = "mosaic-backlog"

/**
 * The issue that a card becomes, so that importing it again makes the same card of it as far as beads can say it: title,
 * body, the first phase, priorities of 0 to 4, acceptance that is a text, dependencies, and when it was made.
 */
export const encodeBeads = (card: Card): BeadsLine => {
  const createdAt = DateTime.formatIso(card.createdAt)
  const lost: Array<string> = []
  const lose = (isLost: boolean, what: string): void => {
    if (isLost) lost.push(what)
  }
  const inText = (value: unknown, what: string): string | undefined => {
    if (value === null || value === "") return undefined
    if (typeof value === "string") return value
    lose(true, `${what} that is no text, written as JSON`)
    return JSON.stringify(value)
  }
  const priority = Math.min(4, Math.max(0, 4 - card.priority))
  lose(priority !== 4 - card.priority, "priority beyond 0 to 4, written as the nearest")
  lose(card.attempts > 0, "attempts")
  lose(card.blockedReason !== null, "blockedReason")
  lose(card.claimOwner !== null, "claim, but for its owner")
  lose(card.idempotencyKey !== null, "idempotencyKey")
  lose(card.notBefore !== null, "notBefore")
  return {
    line: JSON.stringify({
      id: card.id,
      title: card.title,
      description: card.body ?? undefined,
      acceptance_criteria: inText(card.acceptance, "acceptance"),
      status: statuses[card.status],
      priority,
      issue_type: "task",
      assignee: card.claimOwner ?? undefined,
      labels: card.phase === null ? undefined : [card.phase],
      created_at: createdAt,
      updated_at: DateTime.formatIso(card.updatedAt),
      closed_at: card.completedAt === null ? undefined : DateTime.formatIso(card.completedAt),
      close_reason: inText(card.result, "result"),
      dependencies:
        card.dependsOn.length === 0
          ? undefined
          : card.dependsOn.map((id) => ({
              issue_id: card.id,
              depends_on_id: id,
              type: "blocks",
              created_at: createdAt,
              created_by: maker
            }))
    }),
    lost
  }
}

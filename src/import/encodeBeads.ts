import { DateTime } from "effect"
import type { Card, Status } from "../index.ts"

/** A card as a line of a beads file, with the fields that the line lacks or has in another form. */
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

/** The creator of the edges. Beads requires one, and a card does not know it. */
const creator = "mosaic-backlog"

/**
 * Encodes a card as a beads issue. Importing the issue creates the same card as far as beads can express it: title, body,
 * phase, priorities of 0 to 4, acceptance that is text, dependencies, and when it was created.
 */
export const encodeBeads = (card: Card): BeadsLine => {
  const createdAt = DateTime.formatIso(card.createdAt)
  const lost: Array<string> = []
  const lose = (isLost: boolean, what: string): void => {
    if (isLost) lost.push(what)
  }
  const toText = (value: unknown, what: string): string | undefined => {
    if (value === null || value === "") return undefined
    if (typeof value === "string") return value
    lose(true, `${what} that is not text, written as JSON`)
    return JSON.stringify(value)
  }
  const priority = Math.min(4, Math.max(0, 4 - card.priority))
  lose(priority !== 4 - card.priority, "priority outside 0 to 4, written as the nearest")
  lose(card.attempts > 0, "attempts")
  lose(card.blockedReason !== null, "blockedReason")
  lose(card.claimOwner !== null, "claim, except its owner")
  lose(card.idempotencyKey !== null, "idempotencyKey")
  lose(card.notBefore !== null, "notBefore")
  return {
    line: JSON.stringify({
      id: card.id,
      title: card.title,
      description: card.body ?? undefined,
      acceptance_criteria: toText(card.acceptance, "acceptance"),
      status: statuses[card.status],
      priority,
      issue_type: "task",
      assignee: card.claimOwner ?? undefined,
      labels: card.phase === null ? undefined : [card.phase],
      created_at: createdAt,
      updated_at: DateTime.formatIso(card.updatedAt),
      closed_at: card.completedAt === null ? undefined : DateTime.formatIso(card.completedAt),
      close_reason: toText(card.result, "result"),
      dependencies:
        card.dependsOn.length === 0
          ? undefined
          : card.dependsOn.map((id) => ({
              issue_id: card.id,
              depends_on_id: id,
              type: "blocks",
              created_at: createdAt,
              created_by: creator
            }))
    }),
    lost
  }
}

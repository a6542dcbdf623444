import { DateTime } from "effect"
import type { Card, CardNote, Status } from "../index.ts"
import { toComment } from "./comments.ts"
import { phaseLabel } from "./readBeads.ts"

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
 * Encodes a card and its notes, the last one first, as a beads issue. Importing the issue creates the same card as far as beads
 * can express it: title, body, phase, labels, priorities of 0 to 4, acceptance that is text, dependencies, notes, when it was
 * created, and before when it cannot be claimed.
 */
export const encodeBeads = (card: Card, notes: ReadonlyArray<CardNote>): BeadsLine => {
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
  const labels = [...(card.phase === null ? [] : [phaseLabel(card.phase)]), ...card.labels]
  const priority = Math.min(4, Math.max(0, 4 - card.priority))
  lose(priority !== 4 - card.priority, "priority outside 0 to 4, written as the nearest")
  lose(card.attempts > 0, "attempts")
  lose(card.blockedReason !== null, "blockedReason")
  lose(card.claimOwner !== null, "claim, except its owner")
  lose(card.idempotencyKey !== null, "idempotencyKey")
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
      labels: labels.length === 0 ? undefined : labels,
      comments:
        notes.length === 0
          ? undefined
          : notes.toReversed().map((note, index) => {
              const { at, author, text } = toComment(note)
              const time = DateTime.formatIso(at ?? note.at)
              return { id: index + 1, issue_id: card.id, author: author ?? note.actor, text, created_at: time }
            }),
      defer_until: card.notBefore === null ? undefined : DateTime.formatIso(card.notBefore),
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

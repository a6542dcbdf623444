import { Context } from "effect"
import type { AccessRole } from "../index.ts"

/** Who is connected: known from the connection, never from what a tool is given. */
export interface Agent {
  /** Which tools there are, and what they may do. */
  readonly role: AccessRole
  /** Who the events are by. */
  readonly actor: string
  /** In whose name cards are claimed. */
  readonly owner: string
  /** Other tokens' holders under a worker's name, for which it does not act. Defaults to none. */
  readonly apart?: ReadonlyArray<string>
}

/** Who calls a tool; nobody until the transport has found out. */
export const CurrentAgent: Context.Reference<Agent | undefined> = Context.Reference<Agent | undefined>(
  "mosaic-backlog/mcp/CurrentAgent",
  { defaultValue: () => undefined }
)

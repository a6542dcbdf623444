import { Effect, Schema } from "effect"
import { Tool } from "effect/ai"
import type { SqlClient } from "effect/sql"
import { stillValid } from "../http/Authority.ts"
import type { Shutdown } from "../http/Shutdown.ts"
import type { AuditService, BacklogService } from "../index.ts"
import { type Agent, CurrentAgent } from "./Agent.ts"
import type { ClaimOwners } from "./ownClaims.ts"
import { type AgentError, Refused, refusalOf } from "./refusal.ts"

/** What a tool answers: short words, and the same for programs. */
export const Answer = Schema.Struct({ text: Schema.String, data: Schema.Record(Schema.String, Schema.Unknown) })

/** What a tool answers. */
export interface Answer extends Schema.Schema.Type<typeof Answer> {}

/** What tools are made of. */
export type ToolServices = BacklogService | AuditService | SqlClient.SqlClient | Shutdown | ClaimOwners

/** What is said about a tool where tools are listed. */
export interface Manual<Fields extends Schema.Struct.Fields> {
  readonly about: string
  readonly takes: Fields
  /** Whether it only reads. */
  readonly reads?: boolean
  /** Whether it may end what others do or hold. */
  readonly destroys?: boolean
  /** Whether doing it again with the same arguments changes nothing more. */
  readonly repeatable?: boolean
}

/** A tool, and what it does for an agent. */
export interface AgentTool {
  readonly tool: Tool.Any
  readonly handle: (input: never) => Effect.Effect<Answer, Refused, ToolServices>
}

/** Makes a tool that answers the agent that is connected. */
export const agentTool = <const Fields extends Schema.Struct.Fields>(
  name: string,
  { about, destroys = false, reads = false, repeatable = false, takes }: Manual<Fields>,
  answer: (input: Schema.Struct.Type<Fields>, agent: Agent) => Effect.Effect<Answer, AgentError, ToolServices>
): AgentTool => ({
  tool: Tool.make(name, {
    description: about,
    parameters: Schema.Struct(takes),
    success: Answer,
    failure: Refused
  })
    .annotate(Tool.Readonly, reads)
    .annotate(Tool.Destructive, destroys)
    .annotate(Tool.Idempotent, reads || repeatable),
  handle: (input) =>
    Effect.gen(function* () {
      const agent = yield* CurrentAgent
      if (agent === undefined) return yield* new Refused({ problem: "The server does not know who calls." })
      return yield* Effect.catch(Effect.andThen(stillValid, answer(input, agent)), refusalOf(agent))
    })
})

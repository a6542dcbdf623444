import { Data, Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import {
  type InvalidInput,
  type LogFailure,
  ReadOnlyReplica,
  type Rejection,
  replicaErrorOf,
  type ServerFailure
} from "../index.ts"
import type { Agent } from "./Agent.ts"
import { frame, join, lines, timeText, fixedText, term, type AgentText, agentText } from "./AgentText.ts"
import { findDirectoryLost, publicDirectoryLostMessage } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"

/** The errors that a tool can fail with. */
export type AgentError = Rejection | InvalidInput | ServerFailure | LogFailure | StoppedPartway

/** A command of a tool call was refused after others of the call had changed something. */
export class StoppedPartway extends Data.TaggedError("StoppedPartway")<{
  readonly error: AgentError
  /** What was changed. */
  readonly done: ReadonlyArray<AgentText>
}> {}

/** The refusal of a tool call: what was wrong, and what the agent can do instead. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** Makes a refusal. */
export const refuse = (problem: AgentText): Refused => new Refused({ problem: problem.text })

/** The refusal of invalid input. The problem is in a frame because it may repeat the input. */
export const invalidInput = (problem: string): AgentText =>
  lines(agentText`Invalid input:`, frame(problem), agentText`Nothing was done.`)

/** Turns an error into a refusal. A database error is logged and shown without its details. */
export const toRefusal =
  (agent: Agent) =>
  (error: AgentError): Effect.Effect<never, Refused> =>
    SqlError.isSqlError(error)
      ? Effect.andThen(
          Effect.annotateLogs(Effect.logError("The database failed."), { error }),
          refuse(databaseRefusal(error))
        )
      : refuse(refusal(error, agent))

type NonDatabaseError = Exclude<AgentError, SqlError.SqlError>

/** The refusal of an error that is not the database's. */
export const refusal = (error: NonDatabaseError, agent: Agent): AgentText => {
  const { owner } = agent
  switch (error._tag) {
    case "StoppedPartway":
      return lines(
        SqlError.isSqlError(error.error) ? databaseRefusal(error.error) : refusal(error.error, agent),
        agentText`Other changes of this call were made before and stay: ${join("; ", error.done)}. Call again for the rest.`
      )
    case "InvalidInput":
      return invalidInput(error.problem)
    case "Unreachable":
      return agentText`The server of the backlog is not available. Call again in a few seconds. Pass the same commandId if you passed one: the command may have been carried out.`
    case "TooManyRequests":
      return fixedText(error.message)
    case "Unauthorized":
      return agentText`${fixedText(error.problem)} Nothing was done.`
    case "CardNotFound":
      return agentText`There is no card ${error.id}. backlog_list lists the cards.`
    case "CardAlreadyExists":
      return agentText`A card ${error.id} already exists. Choose another id, or revise that card. Nothing was created.`
    case "DependencyNotFound":
      return agentText`Card ${error.id} cannot depend on ${error.dependsOn}: there is no such card. Create it first.`
    case "SelfDependency":
      return agentText`Card ${error.id} cannot depend on itself.`
    case "DependencyCycle":
      return agentText`Card ${error.id} cannot depend on ${error.dependsOn}: that closes the cycle ${cycle(error.path)}.`
    case "ClaimLost": {
      const lost = agentText`The claim with token ${error.token} on card ${error.id} is lost`
      if (error.holder === owner) {
        return agentText`${lost}: you hold the card under another token, which backlog_show returns.`
      }
      const now =
        error.holder === null
          ? agentText`the card is now ${term(error.status)}`
          : error.expiresAt === null
            ? agentText`held by ${error.holder}`
            : agentText`held by ${error.holder} until ${timeText(error.expiresAt)}`
      return agentText`${lost}: ${now}. Stop working on it, and claim another card with backlog_claim.`
    }
    case "CardIsClaimed":
      return agentText`Card ${error.id} is held by ${error.holder} until ${timeText(error.expiresAt)}. Pass the claim's token, or force: true to override the holder.`
    case "CardIsDone":
      return agentText`Card ${error.id} is done. backlog_set_status with status ready reopens it.`
    case "TooManyLabels":
      return fixedText(error.message)
    case "CommandIdConflict":
      return agentText`The command id ${error.commandId} was already used for a different command. Use a new id for each command.`
    case "Forbidden":
      return agentText`${fixedText(error.message)} backlog_show returns the current state of the card.`
    case "DamagedEvent":
      return lines(
        agentText`The event of card ${error.cardId} at position ${error.position} is damaged. Ask the operator of this server to verify the log.`,
        frame(error.problem)
      )
  }
}

/** The path of a cycle. Omits the middle of a long one. */
const cycle = (path: ReadonlyArray<string>): AgentText => {
  const ids = path.map((id) => agentText`${id}`)
  return ids.length <= 12
    ? join(" → ", ids)
    : join(" → ", [...ids.slice(0, 6), agentText`… ${ids.length - 10} more …`, ...ids.slice(-4)])
}

const databaseRefusal = (error: SqlError.SqlError): AgentText => {
  const ofReplica = replicaErrorOf(error)
  if (ofReplica instanceof ReadOnlyReplica) {
    return agentText`Nothing was done: this server uses a read-only replica, which accepts no commands. Tell the operator of the server.`
  }
  if (ofReplica !== undefined) return agentText`${fixedText(ofReplica.message)} Call again in a few seconds.`
  if (findDirectoryLost(error) !== undefined) return fixedText(publicDirectoryLostMessage)
  switch (databaseErrorKind(error)) {
    case "unavailable":
      return agentText`The database is not available. Call again in a few seconds. Pass the same commandId if you passed one: the command may have been carried out.`
    case "notPermitted":
      return agentText`The server has no database permission for this. Tell the operator of the server.`
    case "failed":
      return agentText`The database failed. This is an error in the server; its log has the details.`
  }
}

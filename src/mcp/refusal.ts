import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import type { Forbidden, Unauthorized } from "../http/errors.ts"
import { type InvalidInput, type LogFailure, ReadOnlyReplica, type Rejection, replicaErrorOf } from "../index.ts"
import type { Agent } from "./Agent.ts"
import { frame, join, lines, timeText, fixedText, term, type AgentText, agentText } from "./AgentText.ts"
import { findDirectoryLost, publicDirectoryLostMessage } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"

/** What goes wrong in a tool. */
export type AgentError = Rejection | InvalidInput | Forbidden | Unauthorized | LogFailure

/** Why a tool did not do it, in words that say what to do instead. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** A refusal in the server's words. */
export const refuse = (problem: AgentText): Refused => new Refused({ problem: problem.text })

/** Invalid input, in a frame because it may repeat the input. */
export const invalidInput = (problem: string): AgentText =>
  lines(agentText`Invalid input:`, frame(problem), agentText`Nothing was done.`)

/** Makes of an error what an agent can act on. */
export const refusalOf =
  (agent: Agent) =>
  (error: AgentError): Effect.Effect<never, Refused> =>
    SqlError.isSqlError(error)
      ? Effect.andThen(Effect.logError("The database failed.", error), refuse(databaseRefusal(error)))
      : refuse(refusal(error, agent))

type NonDatabaseError = Exclude<AgentError, SqlError.SqlError>

const refusal = (error: NonDatabaseError, { owner }: Agent): AgentText => {
  switch (error._tag) {
    case "InvalidInput":
      return invalidInput(error.problem)
    case "Unauthorized":
      return agentText`${fixedText(error.problem)} Nothing was done.`
    case "CardNotFound":
      return agentText`There is no card ${error.id}. backlog_list lists those there are.`
    case "CardAlreadyExists":
      return agentText`A card ${error.id} exists already; choose another id, or revise that card. Nothing was created.`
    case "DependencyNotFound":
      return agentText`Card ${error.id} cannot depend on ${error.dependsOn}: there is no such card. Create it first.`
    case "SelfDependency":
      return agentText`Card ${error.id} cannot depend on itself.`
    case "DependencyCycle":
      return agentText`Card ${error.id} cannot depend on ${error.dependsOn}: that closes the cycle ${cycle(error.path)}.`
    case "ClaimLost": {
      const lost = agentText`The claim with token ${error.token} on card ${error.id} is lost`
      if (error.holder === owner) {
        return agentText`${lost}: you hold the card under another token, which backlog_show has.`
      }
      const now =
        error.holder === null
          ? agentText`the card is ${term(error.status)} now`
          : error.expiresAt === null
            ? agentText`held by ${error.holder}`
            : agentText`held by ${error.holder} until ${timeText(error.expiresAt)}`
      return agentText`${lost}: ${now}; stop working on it, and claim another with backlog_claim.`
    }
    case "CardIsClaimed":
      return agentText`Card ${error.id} is held by ${error.holder} until ${timeText(error.expiresAt)}: give the claim's token, or force: true to overrule the holder.`
    case "CardIsDone":
      return agentText`Card ${error.id} is done: backlog_set_status with status ready reopens it.`
    case "CommandIdConflict":
      return agentText`The command id ${error.commandId} was used for a command with other content; choose another id for another command.`
    case "Forbidden":
      return agentText`${fixedText(error.message)} backlog_show says how the card stands.`
    case "DamagedEvent":
      return lines(
        agentText`The event of card ${error.cardId} at position ${error.position} is damaged: tell the people who run this server to verify the log.`,
        frame(error.problem)
      )
  }
}

/** A path of cards, without its middle where it is long. */
const cycle = (path: ReadonlyArray<string>): AgentText => {
  const ids = path.map((id) => agentText`${id}`)
  return ids.length <= 12
    ? join(" → ", ids)
    : join(" → ", [...ids.slice(0, 6), agentText`… ${ids.length - 10} more …`, ...ids.slice(-4)])
}

const databaseRefusal = (error: SqlError.SqlError): AgentText => {
  const ofReplica = replicaErrorOf(error)
  if (ofReplica instanceof ReadOnlyReplica) {
    return agentText`Nothing was done: this server reads a read-only replica, which takes no commands. Tell the people who run it.`
  }
  if (ofReplica !== undefined) return agentText`${fixedText(ofReplica.message)} Call again in some seconds.`
  if (findDirectoryLost(error) !== undefined) return fixedText(publicDirectoryLostMessage)
  switch (databaseErrorKind(error)) {
    case "unavailable":
      return agentText`The database is not available now. Call again in some seconds, with the same commandId where you gave one: it may have been carried out.`
    case "notPermitted":
      return agentText`The database does not let this server do that: tell the operator of the server.`
    case "failed":
      return agentText`The database failed, which is an error of this program; its log says how.`
  }
}

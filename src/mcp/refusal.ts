import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import type { Forbidden, Unauthorized } from "../http/access/problems.ts"
import { type InvalidInput, type LogFailure, ReadOnlyReplica, type Rejection, replicaTroubleOf } from "../index.ts"
import { directoryLostIn, directoryLostProblem } from "../services/HeldDirectory.ts"
import { troubleOf } from "../services/troubleOf.ts"
import type { Agent } from "./Agent.ts"
import { instant, quoted } from "./words.ts"

/** What goes wrong in a tool. */
export type AgentError = Rejection | InvalidInput | Forbidden | Unauthorized | LogFailure

/** Why a tool did not do it, in words that say what to do instead. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** Makes of an error what an agent can act on. */
export const refusalOf =
  (agent: Agent) =>
  (error: AgentError): Effect.Effect<never, Refused> =>
    SqlError.isSqlError(error)
      ? Effect.andThen(Effect.logError("The database failed.", error), new Refused({ problem: troubleWith(error) }))
      : new Refused({ problem: sentence(error, agent) })

type Foreseen = Exclude<AgentError, SqlError.SqlError>

const sentence = (error: Foreseen, { owner }: Agent): string => {
  switch (error._tag) {
    case "InvalidInput":
      return `${error.message}\nNothing was done.`
    case "Unauthorized":
      return `${error.problem} Nothing was done.`
    case "CardNotFound":
      return `${error.message} backlog_list lists those there are.`
    case "CardAlreadyExists":
      return `${error.message} Nothing was created.`
    case "DependencyNotFound":
      return `${error.message} Create it first.`
    case "ClaimLost": {
      const lost = `The claim with token ${error.token} on card ${quoted(error.id)} is lost`
      if (error.holder === owner) {
        return `${lost}: you hold the card under another token, which backlog_show has.`
      }
      const now =
        error.holder === null
          ? `the card is ${error.status} now`
          : `held by ${error.holder}${error.expiresAt === null ? "" : ` until ${instant(error.expiresAt)}`}`
      return `${lost}: ${now}; stop working on it, and claim another with backlog_claim.`
    }
    case "CardIsClaimed":
      return `Card ${quoted(error.id)} is held by ${error.holder} until ${instant(error.expiresAt)}: give the claim's token, or force: true to overrule the holder.`
    case "CardIsDone":
      return `Card ${quoted(error.id)} is done: backlog_set_status with status ready reopens it.`
    case "Forbidden":
      return `${error.message} backlog_show says how the card stands.`
    case "SelfDependency":
    case "DependencyCycle":
    case "CommandIdConflict":
    case "DamagedEvent":
      return error.message
  }
}

const troubleWith = (error: SqlError.SqlError): string => {
  const ofReplica = replicaTroubleOf(error)
  if (ofReplica instanceof ReadOnlyReplica) {
    return "Nothing was done: this server reads a read-only replica, which takes no commands. Tell the people who run it."
  }
  if (ofReplica !== undefined) return `${ofReplica.message} Call again in some seconds.`
  if (directoryLostIn(error) !== undefined) return directoryLostProblem
  switch (troubleOf(error)) {
    case "unavailable":
      return "The database is not available now. Call again in some seconds, with the same commandId where you gave one: it may have been carried out."
    case "notPermitted":
      return "The database does not let this server do that: tell whoever runs it."
    case "failed":
      return "The database failed, which is an error of this program; its log says how."
  }
}

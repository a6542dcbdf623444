import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import type { Forbidden, Unauthorized } from "../http/errors.ts"
import { type InvalidInput, type LogFailure, ReadOnlyReplica, type Rejection, replicaErrorOf } from "../index.ts"
import type { Agent } from "./Agent.ts"
import { framed, joined, lines, moment, sentence, term, type Words, words } from "./words.ts"
import { directoryLostIn, directoryLostProblem } from "../services/files/directoryErrors.ts"
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
export const refuse = (problem: Words): Refused => new Refused({ problem: problem.text })

/** Invalid input, in a frame because it may repeat the input. */
export const invalidInput = (problem: string): Words =>
  lines(words`Invalid input:`, framed(problem), words`Nothing was done.`)

/** Makes of an error what an agent can act on. */
export const refusalOf =
  (agent: Agent) =>
  (error: AgentError): Effect.Effect<never, Refused> =>
    SqlError.isSqlError(error)
      ? Effect.andThen(Effect.logError("The database failed.", error), refuse(troubleWith(error)))
      : refuse(refusal(error, agent))

type Foreseen = Exclude<AgentError, SqlError.SqlError>

const refusal = (error: Foreseen, { owner }: Agent): Words => {
  switch (error._tag) {
    case "InvalidInput":
      return invalidInput(error.problem)
    case "Unauthorized":
      return words`${sentence(error.problem)} Nothing was done.`
    case "CardNotFound":
      return words`There is no card ${error.id}. backlog_list lists those there are.`
    case "CardAlreadyExists":
      return words`A card ${error.id} exists already; choose another id, or revise that card. Nothing was created.`
    case "DependencyNotFound":
      return words`Card ${error.id} cannot depend on ${error.dependsOn}: there is no such card. Create it first.`
    case "SelfDependency":
      return words`Card ${error.id} cannot depend on itself.`
    case "DependencyCycle":
      return words`Card ${error.id} cannot depend on ${error.dependsOn}: that closes the cycle ${cycle(error.path)}.`
    case "ClaimLost": {
      const lost = words`The claim with token ${error.token} on card ${error.id} is lost`
      if (error.holder === owner) {
        return words`${lost}: you hold the card under another token, which backlog_show has.`
      }
      const now =
        error.holder === null
          ? words`the card is ${term(error.status)} now`
          : error.expiresAt === null
            ? words`held by ${error.holder}`
            : words`held by ${error.holder} until ${moment(error.expiresAt)}`
      return words`${lost}: ${now}; stop working on it, and claim another with backlog_claim.`
    }
    case "CardIsClaimed":
      return words`Card ${error.id} is held by ${error.holder} until ${moment(error.expiresAt)}: give the claim's token, or force: true to overrule the holder.`
    case "CardIsDone":
      return words`Card ${error.id} is done: backlog_set_status with status ready reopens it.`
    case "CommandIdConflict":
      return words`The command id ${error.commandId} was used for a command with other content; choose another id for another command.`
    case "Forbidden":
      return words`${sentence(error.message)} backlog_show says how the card stands.`
    case "DamagedEvent":
      return lines(
        words`The event of card ${error.cardId} at position ${error.position} is damaged: tell the people who run this server to verify the log.`,
        framed(error.problem)
      )
  }
}

/** A path of cards, without its middle where it is long. */
const cycle = (path: ReadonlyArray<string>): Words => {
  const ids = path.map((id) => words`${id}`)
  return ids.length <= 12
    ? joined(" → ", ids)
    : joined(" → ", [...ids.slice(0, 6), words`… ${ids.length - 10} more …`, ...ids.slice(-4)])
}

const troubleWith = (error: SqlError.SqlError): Words => {
  const ofReplica = replicaErrorOf(error)
  if (ofReplica instanceof ReadOnlyReplica) {
    return words`Nothing was done: this server reads a read-only replica, which takes no commands. Tell the people who run it.`
  }
  if (ofReplica !== undefined) return words`${sentence(ofReplica.message)} Call again in some seconds.`
  if (directoryLostIn(error) !== undefined) return sentence(directoryLostProblem)
  switch (databaseErrorKind(error)) {
    case "unavailable":
      return words`The database is not available now. Call again in some seconds, with the same commandId where you gave one: it may have been carried out.`
    case "notPermitted":
      return words`The database does not let this server do that: tell the operator of the server.`
    case "failed":
      return words`The database failed, which is an error of this program; its log says how.`
  }
}

import { Effect } from "effect"
import type { Headers } from "effect/http"
import { Name } from "../domain/Text.ts"
import type { CallerIdentity } from "../http/Caller.ts"
import { mustBe } from "../http/access/workerRules.ts"
import { Forbidden, Unauthorized } from "../http/errors.ts"
import { AccessRole, InvalidInput } from "../index.ts"
import type { Agent } from "./Agent.ts"
import { actsFor } from "../services/access/AccessRole.ts"
import { decodeInput } from "../services/decodeInput.ts"

/** Headers that say who is connected, as whoever sets up a client writes them beside the server's address. */
export const agentHeaders = { actor: "backlog-actor", owner: "backlog-owner", role: "backlog-role" } as const

/**
 * Who is connected: by a token, its actor in its role; where nobody needs one, who the headers say, a worker unless they
 * say otherwise. A worker with a token claims in its own name or in one under it (`worker-1/browser`).
 */
export const callerAgent = Effect.fnUntraced(function* (caller: CallerIdentity | undefined, headers: Headers.Headers) {
  const said = {
    actor: yield* named(headers, agentHeaders.actor),
    owner: yield* named(headers, agentHeaders.owner),
    role: yield* decodeRole(headers)
  }
  if (caller === undefined) return yield* new Unauthorized({ problem: "The server does not know who calls." })
  if (caller.role === "anybody") {
    if (said.actor === undefined) {
      return yield* new InvalidInput({
        problem: `the header ${agentHeaders.actor} is missing: it says who is connected, where callers show no token`
      })
    }
    return { role: said.role ?? "worker", actor: said.actor, owner: said.owner ?? said.actor } satisfies Agent
  }
  const { apart, role } = caller
  const actor = caller.actor ?? ""
  if ((said.actor ?? actor) !== actor || (said.role ?? role) !== role) {
    return yield* new Forbidden({
      problem: `The token is that of ${JSON.stringify(actor)}, in the role ${role}: leave out ${agentHeaders.actor} and ${agentHeaders.role}.`
    })
  }
  const owner = said.owner ?? actor
  if (role === "worker" && !actsFor(actor, apart, owner)) {
    return yield* new Forbidden({
      problem: `A worker claims in its own name: ${agentHeaders.owner} ${mustBe(actor, owner)}.`
    })
  }
  return { role, actor, owner, apart } satisfies Agent
})

/** Bytes of headers are not text of any kind but ASCII, on which all agree. */
const isPlain = (value: string): boolean => /^[ -~]*$/.test(value)

const named = Effect.fnUntraced(function* (headers: Headers.Headers, header: string) {
  const value = headers[header]
  if (value === undefined) return undefined
  if (!isPlain(value)) return yield* new InvalidInput({ problem: `the header ${header} takes ASCII only` })
  return yield* Effect.mapError(
    decodeName(value),
    (error) => new InvalidInput({ problem: `the header ${header}: ${error.problem}` })
  )
})

const decodeName = decodeInput(Name)

const decodeRole = (headers: Headers.Headers): Effect.Effect<AccessRole | undefined, InvalidInput> => {
  const value = headers[agentHeaders.role]
  const role = AccessRole.literals.find((literal) => literal === value)
  return value !== undefined && role === undefined
    ? Effect.fail(
        new InvalidInput({ problem: `the header ${agentHeaders.role} takes ${AccessRole.literals.join(", ")}` })
      )
    : Effect.succeed(role)
}

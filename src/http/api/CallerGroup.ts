import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Name } from "../../domain/Text.ts"
import { AccessRole } from "../../index.ts"
import { describeEndpoint } from "./endpoint.ts"

/** Who calls, and which version of the program serves. */
export const Caller = Schema.Struct({
  /** The actor of the caller's events. `null` if each command names its own actor. */
  actor: Schema.NullOr(Name),
  /** The role of the caller. `unrestricted` may do everything: the server requires no token, and got none. */
  role: Schema.Literals([...AccessRole.literals, "unrestricted"]),
  /** The version of the server's program. */
  version: Schema.String
}).annotate({ identifier: "Caller" })

/** Who calls, and which version of the program serves. */
export interface Caller extends Schema.Schema.Type<typeof Caller> {}

/** The endpoint about the caller. */
export const CallerGroup = HttpApiGroup.make("caller")
  .add(
    HttpApiEndpoint.get("caller", "/caller", { success: Caller }).annotateMerge(
      describeEndpoint("Returns the actor and the role of the caller", "With a token, they are the token's.")
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Caller", description: "Who calls." }))

import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Name } from "../../domain/Text.ts"
import { AccessRole } from "../../index.ts"
import { describeEndpoint } from "./endpoint.ts"

/** The caller of a server, what it may do, and the version of the server's program. */
export const Caller = Schema.Struct({
  /** The actor of the caller's events. `null` if each command names its own actor. */
  actor: Schema.NullOr(Name),
  /** The role of the caller. `unrestricted` may do everything: the server requires no token, and got none. */
  role: Schema.Literals([...AccessRole.literals, "unrestricted"]),
  /** The version of the server's program. */
  version: Schema.String,
  /**
   * The operations that the caller may call from where it calls: a page of the server that sends no token may only read,
   * unless the server lets its pages write. Servers before version 0.13 omit them.
   */
  operations: Schema.optionalKey(Schema.Array(Schema.String))
}).annotate({ identifier: "Caller" })

/** The caller of a server, what it may do, and the version of the server's program. */
export interface Caller extends Schema.Schema.Type<typeof Caller> {}

/** The endpoint about the caller. */
export const CallerGroup = HttpApiGroup.make("caller")
  .add(
    HttpApiEndpoint.get("caller", "/caller", { success: Caller }).annotateMerge(
      describeEndpoint(
        "Returns the actor and the role of the caller, and the operations that it may call",
        "With a token, actor and role are the token's. Without one, a page of the server itself may only read, unless the server was started with `--board=write`. `operations` takes the page from the headers `Origin` and `Sec-Fetch-Site`, which browsers send."
      )
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Caller", description: "Who calls." }))

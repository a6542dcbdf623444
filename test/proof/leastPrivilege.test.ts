import { describe, it as plainIt, layer } from "@effect/vitest"
import { postgresClient } from "../support/backlogs.ts"
import { commandLine } from "./roles/commandLine.ts"
import { endOfLog } from "./roles/endOfLog.ts"
import { parts } from "./roles/parts.ts"
import { privileges } from "./roles/privileges.ts"
import { starts } from "./roles/starts.ts"
import { type Test, whereRolesCanBeCreated } from "./roles/support.ts"

describe("least privilege", () => {
  plainIt("on PGlite", (test) => test.skip("an embedded database has a single user, a superuser"))
})

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })(
  "least privilege, on a Postgres server",
  (it) => {
    const test: Test = (title, body) => it.effect(title, (context) => whereRolesCanBeCreated(context, body))
    for (const part of [parts, privileges, endOfLog, starts, commandLine]) part(test)
  }
)

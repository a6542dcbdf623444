import { postgresClient } from "../support/backlogs.ts"
import { copiedPgliteClient } from "../support/pgliteTemplates.ts"
import { suite } from "./conformance.ts"

suite("a backlog on PGlite", copiedPgliteClient)
suite("a backlog on a Postgres server", postgresClient(10))

import { postgresClient } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { suite } from "./conformance.ts"

suite("a backlog on PGlite", layerPgliteClient())
suite("a backlog on a Postgres server", postgresClient(10))

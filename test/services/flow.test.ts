import { postgresClient } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { flow } from "./audit/flow.ts"
import { suiteOver } from "./suiteOver.ts"

suiteOver("the flow of a backlog on PGlite", layerPgliteClient(), [flow])
suiteOver("the flow of a backlog on a Postgres server", postgresClient(4), [flow])

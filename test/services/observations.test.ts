import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { postgresClient } from "../support/backlogs.ts"
import { observations } from "./audit/observations.ts"
import { suiteOver } from "./suiteOver.ts"

suiteOver("density, verifications and anchors on PGlite", layerPgliteClient(), [observations])
suiteOver("density, verifications and anchors on a Postgres server", postgresClient(4), [observations])

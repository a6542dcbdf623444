import { postgresClient } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { golden } from "./audit/goldenEvents.ts"
import { goldenLog } from "./audit/goldenLog.ts"
import { logFile } from "./audit/logFile.ts"
import { redaction } from "./audit/redaction.ts"
import { timeTravel } from "./audit/timeTravel.ts"
import { suiteOver } from "./suiteOver.ts"

const parts = [timeTravel, redaction, logFile, golden, goldenLog]

suiteOver("an audited backlog on PGlite", layerPgliteClient(), parts)
suiteOver("an audited backlog on a Postgres server", postgresClient(4), parts)

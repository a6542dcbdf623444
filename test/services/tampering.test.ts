import { postgresClient } from "../support/backlogs.ts"
import { copiedPgliteClient } from "../support/pgliteTemplates.ts"
import { tamperedLog } from "./audit/tamperedLog.ts"
import { tamperedReadModel } from "./audit/tamperedReadModel.ts"
import { suiteOver } from "./suiteOver.ts"

suiteOver("a backlog that is tampered with on PGlite", copiedPgliteClient, [tamperedLog, tamperedReadModel])
suiteOver("a backlog that is tampered with on a Postgres server", postgresClient(4), [tamperedLog, tamperedReadModel])

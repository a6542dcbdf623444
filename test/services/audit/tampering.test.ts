import { postgresClient } from "../../support/backlogs.ts"
import { isLong } from "../../support/databases.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { tamperedLog } from "./tamperedLog.ts"
import { tamperedReadModel } from "./tamperedReadModel.ts"
import { suiteOver } from "../suiteOver.ts"

suiteOver("a backlog that is tampered with on PGlite", layerPgliteClient(), [tamperedLog, tamperedReadModel], {
  sample: isLong
    ? undefined
    : { oneIn: 3, reason: "every one runs on the server; npm run test:security runs every one on PGlite too" }
})
suiteOver("a backlog that is tampered with on a Postgres server", postgresClient(4), [tamperedLog, tamperedReadModel])

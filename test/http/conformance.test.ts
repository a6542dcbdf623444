import { flow } from "../services/audit/flow.ts"
import { golden } from "../services/audit/goldenEvents.ts"
import { goldenLog } from "../services/audit/goldenLog.ts"
import { logFile } from "../services/audit/logFile.ts"
import { observations } from "../services/audit/observations.ts"
import { redaction } from "../services/audit/redaction.ts"
import { timeTravel } from "../services/audit/timeTravel.ts"
import { overAnyLayer } from "../services/conformance.ts"
import { suiteOver } from "../services/suiteOver.ts"
import { postgresClient } from "../support/backlogs.ts"
import { isLong } from "../support/databases.ts"
import { freshBacklogOverHttp } from "./support/overHttp.ts"

const ownTransaction = "not over HTTP: a command is never part of the caller's transaction"

suiteOver(
  "a backlog over HTTP",
  postgresClient(10),
  [...overAnyLayer, timeTravel, flow, observations, redaction, logFile, golden, goldenLog],
  {
    backlog: freshBacklogOverHttp,
    sample: isLong
      ? undefined
      : { oneIn: 2, reason: "npm run test:security runs all of them; all of them run without HTTP" },
    except: {
      "a receipt is written in the transaction of its command": ownTransaction,
      "neither verify nor rebuild can be part of a transaction": ownTransaction,
      "an anchor in a transaction is not listed": ownTransaction,
      "a flow in a transaction sees what the transaction wrote": ownTransaction,
      "a redaction is rolled back or committed with its transaction": ownTransaction
    }
  }
)

import { Effect, Schema } from "effect"
import { AuditService, type RebuildReport, VerifyReport } from "../../index.ts"
import { describeVerification, exitCodeOf } from "../describeVerification.ts"
import { Host } from "../Host.ts"
import type { Page } from "../Page.ts"
import { progressBar, withoutProgress } from "../progressBar.ts"
import { reply } from "../Reply.ts"
import { verb } from "../verb.ts"

export const rebuild = verb(
  "rebuild",
  {
    about:
      "Makes what claims and lists read anew from the log, beside the live tables and while commands go on, swaps the two in a moment, and verifies everything. Ended at any point it leaves the backlog as it was. Ends with 5 when the verification finds something, with 6 when other transactions kept the tables for too long.",
    brief: "Make the read model anew from the log",
    examples: [{ command: "backlog rebuild" }, { command: "backlog rebuild --json" }]
  },
  {},
  Effect.fnUntraced(function* () {
    const host = yield* Host
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const report = yield* withoutProgress(host)(
        audit.rebuild({
          onProgress: ({ done, phase, total }) =>
            progressBar(host, phase === "verifying" ? "steps, verifying" : `events, ${phase}`)(done, total)
        })
      )
      return {
        ...reply(
          () => ({ ...report, verification: encode(report.verification) }),
          (page) => describe(report, page)
        ),
        exitCode: exitCodeOf(report.verification)
      }
    })
  })
)

const encode = Schema.encodeSync(VerifyReport)

const describe = ({ cards, position, rounds, swapMillis, verification }: RebuildReport, page: Page): string =>
  [
    `Rebuilt ${cards === 1 ? "1 card" : `${cards} cards`} from the log, up to position ${position}.`,
    rounds === 0 ? "" : `It caught up with what was written meanwhile ${rounds === 1 ? "once" : `${rounds} times`}.`,
    `The swap kept commands waiting for ${Math.round(swapMillis)} ms.`,
    "",
    describeVerification(verification, page)
  ]
    .filter((line, index) => line !== "" || index === 3)
    .join("\n")

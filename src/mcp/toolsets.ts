import type { AccessRole } from "../index.ts"
import type { AgentTool } from "./AgentTool.ts"
import { block } from "./tools/block.ts"
import { claim } from "./tools/claim.ts"
import { complete, completeAny } from "./tools/complete.ts"
import { create } from "./tools/create.ts"
import { history } from "./tools/history.ts"
import { list } from "./tools/list.ts"
import { release } from "./tools/release.ts"
import { renew } from "./tools/renew.ts"
import { revise } from "./tools/revise.ts"
import { setStatus } from "./tools/setStatus.ts"
import { show } from "./tools/show.ts"

/** The tools of each role: ten at most, for agents read all of them before they begin. */
export const toolsets: Readonly<Record<AccessRole, ReadonlyArray<AgentTool>>> = {
  worker: [claim, show, list, renew, release, complete, block],
  orchestrator: [create, revise, setStatus, list, show, history, claim, renew, release, completeAny],
  auditor: [list, show, history]
}

import type { AccessRole } from "../../index.ts"

/** Who may ask an endpoint, beside the orchestrator. */
type Others = ReadonlyArray<Exclude<AccessRole, "orchestrator">>

const everyone: Others = ["worker", "auditor"]
const workers: Others = ["worker"]
const auditors: Others = ["auditor"]
const nobodyElse: Others = []

/** Every endpoint by its name, and who may ask it. One that is not here is nobody's but the orchestrator's. */
const others: Readonly<Record<string, Others>> = {
  get: everyone,
  list: everyone,
  stats: everyone,
  explain: everyone,
  whyNothingClaimable: everyone,
  awaitClaimable: everyone,
  history: everyone,
  cardAt: everyone,
  explainAt: everyone,
  backlogAt: everyone,
  backlogAtCards: everyone,
  events: everyone,
  checkpoints: everyone,
  checkpoint: everyone,
  parked: everyone,
  erasures: everyone,

  claim: workers,
  claimMany: workers,
  renew: workers,
  release: workers,
  complete: workers,
  completeMany: workers,

  verify: auditors,
  anchor: auditors,
  exportLog: auditors,

  create: nobodyElse,
  createMany: nobodyElse,
  revise: nobodyElse,
  reclaim: nobodyElse,
  link: nobodyElse,
  unlink: nobodyElse,
  block: nobodyElse,
  unblock: nobodyElse,
  reopen: nobodyElse,
  advance: nobodyElse,
  park: nobodyElse,
  unpark: nobodyElse,
  rebuild: nobodyElse,
  pruneReceipts: nobodyElse,
  restored: nobodyElse,
  importLog: nobodyElse
}

/** What erases is not for whoever works. */
const erasure: ReadonlySet<string> = new Set(["redact", "removeErased"])

/** Whether a role may ask an endpoint at all. */
export const mayAsk = (role: AccessRole, endpoint: string): boolean =>
  erasure.has(endpoint)
    ? role === "auditor"
    : role === "orchestrator" || (Object.hasOwn(others, endpoint) && (others[endpoint]?.includes(role) ?? false))

/** Endpoints of which somebody has thought who may ask them. */
export const knownEndpoints: ReadonlySet<string> = new Set([...Object.keys(others), ...erasure])

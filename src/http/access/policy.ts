import type { AccessRole } from "../../index.ts"

/** Who may ask an endpoint, beside the orchestrator. */
type OtherRoles = ReadonlyArray<Exclude<AccessRole, "orchestrator">>

const allRoles: OtherRoles = ["worker", "auditor"]
const workers: OtherRoles = ["worker"]
const auditors: OtherRoles = ["auditor"]
const orchestratorOnly: OtherRoles = []

/** Every endpoint by its name, and who may ask it. One that is not here is nobody's but the orchestrator's. */
const rolesByEndpoint: Readonly<Record<string, OtherRoles>> = {
  get: allRoles,
  list: allRoles,
  stats: allRoles,
  explain: allRoles,
  whyNothingClaimable: allRoles,
  awaitClaimable: allRoles,
  history: allRoles,
  cardAt: allRoles,
  explainAt: allRoles,
  backlogAt: allRoles,
  backlogAtCards: allRoles,
  events: allRoles,
  checkpoints: allRoles,
  checkpoint: allRoles,
  parked: allRoles,
  erasures: allRoles,

  claim: workers,
  claimMany: workers,
  renew: workers,
  release: workers,
  complete: workers,
  completeMany: workers,

  verify: auditors,
  anchor: auditors,
  exportLog: auditors,

  create: orchestratorOnly,
  createMany: orchestratorOnly,
  revise: orchestratorOnly,
  reclaim: orchestratorOnly,
  link: orchestratorOnly,
  unlink: orchestratorOnly,
  block: orchestratorOnly,
  unblock: orchestratorOnly,
  reopen: orchestratorOnly,
  advance: orchestratorOnly,
  park: orchestratorOnly,
  unpark: orchestratorOnly,
  rebuild: orchestratorOnly,
  pruneReceipts: orchestratorOnly,
  restored: orchestratorOnly,
  importLog: orchestratorOnly
}

/** What erases is not for whoever works. */
const auditorOnly: ReadonlySet<string> = new Set(["redact", "removeErased"])

/** Whether a role may ask an endpoint at all. */
export const mayCall = (role: AccessRole, endpoint: string): boolean =>
  auditorOnly.has(endpoint)
    ? role === "auditor"
    : role === "orchestrator" ||
      (Object.hasOwn(rolesByEndpoint, endpoint) && (rolesByEndpoint[endpoint]?.includes(role) ?? false))

/** Endpoints of which somebody has thought who may ask them. */
export const knownEndpoints: ReadonlySet<string> = new Set([...Object.keys(rolesByEndpoint), ...auditorOnly])

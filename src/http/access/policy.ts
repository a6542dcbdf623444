import { AccessRole } from "../../index.ts"

/** The roles that may call an endpoint, in addition to the orchestrator. */
type OtherRoles = ReadonlyArray<Exclude<AccessRole, "orchestrator">>

const allRoles: OtherRoles = ["worker", "auditor"]
const workers: OtherRoles = ["worker"]
const auditors: OtherRoles = ["auditor"]
const orchestratorOnly: OtherRoles = []

/** The roles of each endpoint. Only the orchestrator may call an endpoint that is missing here. */
const rolesByEndpoint: Readonly<Record<string, OtherRoles>> = {
  caller: allRoles,

  get: allRoles,
  list: allRoles,
  stats: allRoles,
  explain: allRoles,
  whyNothingClaimable: allRoles,
  awaitClaimable: allRoles,
  awaitClaimEnd: allRoles,
  notes: allRoles,
  claims: allRoles,
  dependents: allRoles,
  neighbourhood: allRoles,
  impact: allRoles,
  criticalPath: allRoles,
  history: allRoles,
  cardAt: allRoles,
  explainAt: allRoles,
  backlogAt: allRoles,
  backlogAtCards: allRoles,
  backlogAtDependents: allRoles,
  backlogAtNeighbourhood: allRoles,
  backlogAtImpact: allRoles,
  backlogAtCriticalPath: allRoles,
  diff: allRoles,
  flow: allRoles,
  density: allRoles,
  verifications: allRoles,
  anchors: allRoles,
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
  block: workers,
  note: workers,
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

/** Endpoints that erase. Callers that do the work may not erase. */
const auditorOnly: ReadonlySet<string> = new Set(["redact", "removeErased"])

/** `POST` endpoints that only read. */
const readingPosts: ReadonlySet<string> = new Set(["verify"])

/** Whether an endpoint changes the backlog or what consumers and operators keep in it. */
export const changesBacklog = (endpoint: { readonly identifier: string; readonly method: string }): boolean =>
  endpoint.method === "POST" && !readingPosts.has(endpoint.identifier)

/** Whether a role may call an endpoint. */
export const mayCall = (role: AccessRole, endpoint: string): boolean =>
  auditorOnly.has(endpoint)
    ? role === "auditor"
    : role === "orchestrator" ||
      (Object.hasOwn(rolesByEndpoint, endpoint) && (rolesByEndpoint[endpoint]?.includes(role) ?? false))

/** The roles that may call an endpoint. */
export const rolesFor = (endpoint: string): ReadonlyArray<AccessRole> =>
  AccessRole.literals.filter((role) => mayCall(role, endpoint))

/** The endpoints that the policy covers. */
export const knownEndpoints: ReadonlySet<string> = new Set([...Object.keys(rolesByEndpoint), ...auditorOnly])

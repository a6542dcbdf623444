/** Names of the measured systems, as results have them. */
export const names = {
  ours: "mosaic-backlog",
  claimingNext: "mosaic-backlog, next",
  throughWorker: "mosaic-backlog worker",
  overHttp: "mosaic-backlog over HTTP",
  loadGenerator: "mosaic-backlog over HTTP, wrk",
  previousBuild: "mosaic-backlog, previous build",
  graphileWorker: "graphile-worker",
  batchedGraphileWorker: "graphile-worker batched",
  pgBoss: "pg-boss",
  mutableTable: "mutable table",
  handWritten: "hand-written SQL"
}

/**
 * A worker: takes cards from a backlog, and does something with each.
 *
 * @module
 */
export * as Worker from "./Worker.ts"
export type { WorkerEvent, WorkerReport } from "./WorkerOptions.ts"
export type { WorkerOptions } from "./WorkerOptions.ts"

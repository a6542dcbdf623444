/**
 * A worker that claims cards, runs a handler for each, and completes them.
 *
 * @module
 */
export { HandlerUnusable } from "./HandlerUnusable.ts"
export * as Worker from "./Worker.ts"
export type { WorkerEvent, WorkerOptions, WorkerReport } from "./WorkerOptions.ts"

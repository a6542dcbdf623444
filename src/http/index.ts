/**
 * The backlog over HTTP. `serve` exposes the services of a program; `layerHttp` provides both services through such a
 * server.
 *
 * @module
 */
export { type Authorization, BacklogApi, type RequestValidation } from "./api/BacklogApi.ts"
export {
  BodyTooLarge,
  DatabaseFailed,
  DatabaseUnavailable,
  Forbidden,
  NotPermitted,
  ServeRefused,
  TooManyRequests,
  Unauthorized
} from "./errors.ts"
export type { Problem } from "./problems.ts"
export type { TrustProxy } from "./access/forwarding.ts"
export { type Authority, CurrentAuthority } from "./Caller.ts"
export type { RateLimit } from "./access/RateLimit.ts"
export { type CallerIdentity, CurrentCaller } from "./Caller.ts"
export type { HttpOptions } from "./client/connect.ts"
export { layerHttp } from "./client/layerHttp.ts"
export { ListenFailed } from "./node/listen.ts"
export { type BoardMode, serve, type Served, type ServeOptions, type ServerAddress } from "./server.ts"
export { Shutdown } from "./Shutdown.ts"

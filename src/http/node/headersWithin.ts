/** How often Node checks for heads that take too long: in 15 seconds 60 times. */
const headChecks = 60

/**
 * Settings by which a head takes no longer than so many milliseconds. Node ends it at the first check after its timeout,
 * so the timeout is shorter by the time between two checks.
 */
export const headersWithin = (limit: number) => {
  const between = Math.max(1, Math.floor(limit / headChecks))
  return { headersTimeout: Math.max(1, Math.floor(limit) - between), connectionsCheckingInterval: between }
}

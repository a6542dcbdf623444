/** Where a server is asked whether it runs, whether it is ready, and for its metrics. */
export const operationPaths = { health: "/healthz", ready: "/readyz", metrics: "/metrics" } as const

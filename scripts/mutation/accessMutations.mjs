/** Access to a server: see docs/security.md. */
const server = "src/http/server.ts"
const guard = "src/http/access/guard.ts"
const names = "src/http/access/hosts.ts"
const policy = "src/http/access/policy.ts"
const workerRules = "src/http/access/workerRules.ts"
const requests = "src/http/handleEndpoint.ts"
const listen = "src/http/node/listen.ts"
const accessTokens = "src/services/access/AccessTokens.ts"
const callerAgent = "src/mcp/Agent.ts"
const layerRoutes = "src/mcp/routes.ts"

const access = ["test/http/access.test.ts"]
const tokens = ["test/services/access/accessTokens.test.ts"]
const problems = ["test/http/problems.test.ts"]
const disclosure = ["test/security/disclosure.test.ts"]
const agents = ["test/mcp/sdk.test.ts"]

const mutations = [
  // Required tokens
  {
    name: "a server that other hosts can reach requires a token",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "const requiresToken = requireTokens",
    tests: access
  },
  {
    name: "tokens can be required on loopback",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "const requiresToken = !isLoopback(host)",
    tests: access
  },
  {
    name: "a loopback server requires no token by default",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: 'const requiresToken = requireTokens || host !== ""',
    tests: access
  },
  {
    name: "a name that begins like a loopback address is not one",
    file: names,
    find: "/^127(?:\\.\\d{1,3}){3}$/",
    replace: "/^127(?:\\.\\d{1,3}){3}/",
    tests: access
  },
  {
    name: "a server that requires tokens starts only where tokens are available",
    file: server,
    find: "if (requiresToken && tokens === undefined) {",
    replace: "if (!requiresToken && requireTokens) {",
    tests: access
  },
  {
    name: "a public server starts only when a token exists",
    file: server,
    find: "tokens !== undefined && !(yield* tokens.hasAny)",
    replace: "tokens !== undefined && !requiresToken",
    tests: access
  },
  {
    name: "a request without a token is refused where tokens are required",
    file: guard,
    find: "if (authorization === undefined && !requiresToken) return undefined",
    replace: "if (authorization === undefined) return undefined",
    tests: access
  },
  {
    name: "a token counts where none is required",
    file: guard,
    find: "if (authorization === undefined && !requiresToken) return undefined",
    replace: "if (!requiresToken) return undefined",
    tests: access
  },
  {
    name: "a token must be a bearer token",
    file: guard,
    find: "/^bearer +(\\S+) *$/i",
    replace: "/(\\S+) *$/i",
    tests: access
  },
  // Tokens
  {
    name: "the secret of a token is checked, not only its id",
    file: accessTokens,
    find: "return isSame ? one?.token : undefined",
    replace: "return isSame || one !== undefined ? one?.token : undefined",
    tests: tokens
  },
  {
    name: "hashes are compared in constant time",
    file: accessTokens,
    find: "timingSafeEqual(hash, one?.hash ?? noHash)",
    replace: "Buffer.from(hash).equals(one?.hash ?? noHash)",
    tests: tokens
  },
  {
    name: "an unknown id takes as long as a wrong secret",
    file: accessTokens,
    find: "const isSame = timingSafeEqual(hash, one?.hash ?? noHash)",
    replace: "const isSame = one !== undefined && timingSafeEqual(hash, one.hash)",
    tests: tokens
  },
  {
    name: "the hash of a secret is stored, not the secret",
    file: "src/services/access/tokenSecret.ts",
    find: 'createHash("sha256").update(text).digest()',
    replace: 'Buffer.from(text.slice(21, 85), "hex")',
    tests: tokens
  },
  {
    name: "the checksum of a token is checked",
    file: "src/services/access/tokenSecret.ts",
    find: "return checksum === checksumOf(text.slice(0, -9)) ? id : undefined",
    replace: "return checksum === undefined ? undefined : id",
    tests: tokens
  },
  {
    name: "a revoked token is refused",
    file: accessTokens,
    find: "sql`revoked_at IS NULL AND (expires_at",
    replace: "sql`(expires_at",
    tests: tokens
  },
  {
    name: "an expired token is not read",
    file: accessTokens,
    find: "(expires_at IS NULL OR expires_at > ${now()})`",
    replace: "(expires_at IS NULL OR expires_at < 'infinity')`",
    tests: tokens
  },
  {
    name: "a token that expires after it was read is refused",
    file: accessTokens,
    find: "expiresAt !== null && expiresAt.epochMilliseconds <= databaseTime ? undefined : one",
    replace: "expiresAt !== null && expiresAt.epochMilliseconds <= 0 * databaseTime ? undefined : one",
    tests: tokens
  },
  {
    name: "a response that is being written ends when its token expires",
    file: guard,
    find: 'if (response.body._tag === "Stream") return endWhenInvalid(response, response.body, authority)',
    replace: 'if (response.body._tag === "Stream") return response',
    tests: access
  },
  {
    name: "the writer cannot create tokens",
    file: "src/services/schema/BacklogRoles.ts",
    find: 'writer: { SELECT: "all", UPDATE: ["last_used_at"] }, auditor: {} },',
    replace: 'writer: { SELECT: "all", INSERT: "all", UPDATE: ["last_used_at"] }, auditor: {} },',
    tests: ["test/proof/leastPrivilege.test.ts"]
  },
  // The actor
  {
    name: "a command in another actor's name is refused",
    file: "src/http/handleCommand.ts",
    find: "payload.actor !== undefined && payload.actor !== caller.actor",
    replace: 'payload.actor !== undefined && payload.actor === ""',
    tests: access
  },
  {
    name: "the actor of an event is the token's",
    file: "src/http/handleCommand.ts",
    find: "const actor = caller.actor ?? payload.actor",
    replace: "const actor = payload.actor ?? caller.actor",
    also: [
      {
        find: "payload.actor !== undefined && payload.actor !== caller.actor",
        replace: 'payload.actor !== undefined && payload.actor === ""'
      }
    ],
    tests: access
  },
  {
    name: "an agent's actor is the token's",
    file: callerAgent,
    find: "if ((headerValues.actor ?? actor) !== actor || (headerValues.role ?? role) !== role) {",
    replace: "if ((headerValues.role ?? role) !== role) {",
    tests: agents
  },
  {
    name: "an agent's role is the token's",
    file: callerAgent,
    find: "if ((headerValues.actor ?? actor) !== actor || (headerValues.role ?? role) !== role) {",
    replace: "if ((headerValues.actor ?? actor) !== actor) {",
    tests: agents
  },
  {
    name: "an agent with the worker role claims in its own name",
    file: callerAgent,
    find: 'if (role === "worker" && !actsFor(actor, reservedNames, owner)) {',
    replace: 'if (role === "worker" && owner === "") {',
    tests: agents
  },
  {
    name: "an agent's session is usable by its caller only",
    file: layerRoutes,
    find: "if (session !== undefined && !sessions.belongsTo(session, caller)) return unknownSession",
    replace: 'if (session === "") return unknownSession',
    tests: agents
  },
  // Roles
  {
    name: "a caller can do only what its role allows",
    file: "src/http/Caller.ts",
    find: "|| mayCall(role, endpoint.identifier)",
    replace: '|| mayCall("orchestrator", endpoint.identifier)',
    tests: access
  },
  {
    name: "only the auditor can erase",
    file: policy,
    find: '? role === "auditor"',
    replace: '? role !== "worker"',
    tests: access
  },
  {
    name: "endpoints without a rule are for the orchestrator only",
    file: policy,
    find: "(Object.hasOwn(rolesByEndpoint, endpoint) && (rolesByEndpoint[endpoint]?.includes(role) ?? false))",
    replace: "(Object.hasOwn(others, endpoint) ? (others[endpoint]?.includes(role) ?? false) : true)",
    tests: access
  },
  {
    name: "names below a worker's name begin with it and a slash",
    file: "src/services/access/AccessRole.ts",
    find: "name.startsWith(`${above}/`)",
    replace: "name.startsWith(above)",
    tests: access
  },
  {
    name: "a worker claims in its own name",
    file: workerRules,
    find: "return requireOwnName(input.owner)",
    replace: "return Effect.void",
    tests: access
  },
  {
    name: "a worker's next claim is in its own name",
    file: workerRules,
    find: "return Effect.andThen(requireOwnName(input.claimNext?.owner), requireOwnClaim(input))",
    replace: "return requireOwnClaim(input)",
    tests: access
  },
  {
    name: "a worker cannot force a completion",
    file: workerRules,
    find: "if (force === true) {",
    replace: "if (force === true && token === undefined) {",
    tests: access
  },
  {
    name: "a worker cannot complete a card without a claim",
    file: workerRules,
    find: "if (token === undefined) {",
    replace: "if (token === undefined) return\n    if (token < 0) {",
    tests: access
  },
  {
    name: "a worker can use its own claims only",
    file: workerRules,
    find: "if (owner === undefined || !actsFor(actor, reservedNames, owner)) {",
    replace: "if (owner === undefined) {",
    tests: access
  },
  {
    name: "a claim that never existed belongs to no worker",
    file: workerRules,
    find: "if (owner === undefined || !actsFor(actor, reservedNames, owner)) {",
    replace: "if (owner !== undefined && !actsFor(actor, reservedNames, owner)) {",
    tests: access
  },
  {
    name: "a worker can renew and release its own claims only",
    file: workerRules,
    find: 'case "release":\n      case "block":\n        return requireOwnClaim(input)',
    replace: 'case "release":\n      case "block":\n        return Effect.void',
    tests: access
  },
  {
    name: "a worker can complete its own claims only, in batches too",
    file: workerRules,
    find: "Effect.forEach(input.completions ?? [], requireOwnClaim,",
    replace: "Effect.forEach((input.completions ?? []).slice(0, 1), requireOwnClaim,",
    tests: access
  },
  {
    name: "the owner of an ended claim is read from its event",
    file: "src/http/access/workerRules.ts",
    find: "return then?.claimToken === token ? (then.claimOwner ?? undefined) : undefined",
    replace: "return then?.claimOwner ?? undefined",
    tests: access
  },
  // Browsers
  {
    name: "a server accepts only its own host names",
    file: guard,
    find: "return name !== undefined && hosts.has(name)",
    replace: "return name !== undefined",
    tests: access
  },
  {
    name: "the Host header is a name and a port and nothing else",
    file: names,
    find: "(?::\\d{1,5})?$/",
    replace: "(?::\\d{1,5})?/",
    tests: access
  },
  {
    name: "requests from pages of other origins are refused",
    file: guard,
    find: "if (isOther && !origins.has(origin)) return",
    replace: 'if (isOther && origin === "") return',
    tests: access
  },
  // Limits
  {
    name: "a body that declares too great a length is refused",
    file: requests,
    find: 'if (Number(request.headers["content-length"]) > limitBytes) return',
    replace: 'if (Number(request.headers["content-length"]) < 0) return',
    tests: problems
  },
  {
    name: "a too long body without a declared length is refused",
    file: "src/http/node/IncomingRequest.ts",
    find: "if (bytes > limitBytes) fail",
    replace: "if (limitBytes < 0) fail",
    tests: problems
  },
  {
    name: "an agent's message that declares too great a length is refused",
    file: layerRoutes,
    find: 'if (Number(headers["content-length"]) > maxMessageBytes) {',
    replace: 'if (Number(headers["content-length"]) < 0) {',
    tests: agents
  },
  {
    name: "an agent's too long message without a declared length is refused",
    file: layerRoutes,
    find: "Effect.provideService(HttpIncomingMessage.MaxBodySize, maxMessageSize)",
    replace: "(answered) => answered",
    tests: agents
  },
  {
    name: "a caller's requests are limited",
    file: guard,
    find: "const wait = take(token?.id ?? clientOf(request))",
    replace: "const wait = 0 * take.length",
    tests: access
  },
  {
    name: "requests of other callers do not count toward a caller's limit",
    file: guard,
    find: "const wait = take(token?.id ?? clientOf(request))",
    replace: 'const wait = take("")',
    tests: access
  },
  {
    name: "requests are limited by default where tokens are required",
    file: "src/http/access/RateLimit.ts",
    find: "(requiresToken ? defaultRateLimit : undefined)",
    replace: "(requiresToken ? undefined : defaultRateLimit)",
    tests: access
  },
  {
    name: "the number of connections is limited",
    file: listen,
    find: "server.maxConnections = maxConnections\n",
    replace: "server.maxConnections = maxConnections + 1\n",
    tests: access
  },
  {
    name: "headers that take too long end the connection",
    file: listen,
    find: "...headersTimeoutSettings(toMillis(options.headersTimeout)),",
    replace: "headersTimeout: 0,",
    tests: access
  },
  {
    name: "a body that takes too long ends the request",
    file: listen,
    find: "closeOnBodyTimeout(message, bodyTimeout)",
    replace: "message.resume",
    tests: access
  },
  {
    name: "an idle connection is closed",
    file: listen,
    find: "  closeOnIdleTimeout(server, idleTimeout)\n",
    replace: "",
    tests: access
  },
  {
    name: "a reader that reads nothing is disconnected",
    file: "src/http/node/writeResponse.ts",
    find: "duration: timeout,",
    replace: 'duration: "1 hour",',
    tests: ["test/http/events.test.ts"]
  },
  // Secrets
  {
    name: "a token in a query is kept out of traces",
    file: server,
    find: "      /token|secret|authorization|password|api.?key/i\n",
    replace: "",
    tests: disclosure
  },
  {
    name: "a refusal does not repeat the token",
    file: guard,
    find: "new Unauthorized({ problem: error.message })",
    replace: "new Unauthorized({ problem: `${error.message} ${shown}` })",
    tests: disclosure
  },
  {
    name: "the log of a refusal does not contain the token",
    file: guard,
    find: "      reason,\n      from,\n",
    replace: "      reason,\n      shown: request.headers.authorization,\n      from,\n",
    tests: disclosure
  }
]

/** Tests that start programs, for which the copy is built. */
const startPrograms = new Set(agents)

export const accessMutations = mutations.map((mutation) => ({
  ...mutation,
  startsPrograms: mutation.tests.some((file) => startPrograms.has(file))
}))

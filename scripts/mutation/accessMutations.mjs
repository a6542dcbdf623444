/** What keeps others out of a server: see docs/security.md. */
const server = "src/http/server.ts"
const guard = "src/http/access/guard.ts"
const names = "src/http/access/hosts.ts"
const policy = "src/http/access/policy.ts"
const workerRules = "src/http/access/workerRules.ts"
const requests = "src/http/RequestValidation.ts"
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
  // Who must show a token
  {
    name: "that callers show a token where others can reach the server",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "const requiresToken = requireTokens",
    tests: access
  },
  {
    name: "that tokens can be required on loopback too",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "const requiresToken = !isLoopback(host)",
    tests: access
  },
  {
    name: "that nobody needs a token on loopback unless it is required",
    file: server,
    find: "const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: 'const requiresToken = requireTokens || host !== ""',
    tests: access
  },
  {
    name: "that no name is a loopback address because it begins like one",
    file: names,
    find: "/^127(?:\\.\\d{1,3}){3}$/",
    replace: "/^127(?:\\.\\d{1,3}){3}/",
    tests: access
  },
  {
    name: "that a server which must know its callers starts only where it can",
    file: server,
    find: "if (requiresToken && tokens === undefined) {",
    replace: "if (!requiresToken && requireTokens) {",
    tests: access
  },
  {
    name: "that a server for others starts only where there is a token",
    file: server,
    find: "tokens !== undefined && !(yield* tokens.hasAny)",
    replace: "tokens !== undefined && !requiresToken",
    tests: access
  },
  {
    name: "that whoever shows no token is nobody where one is needed",
    file: guard,
    find: "if (authorization === undefined && !requiresToken) return undefined",
    replace: "if (authorization === undefined) return undefined",
    tests: access
  },
  {
    name: "that a token which is shown counts where none is needed",
    file: guard,
    find: "if (authorization === undefined && !requiresToken) return undefined",
    replace: "if (!requiresToken) return undefined",
    tests: access
  },
  {
    name: "that a token is shown as a bearer's",
    file: guard,
    find: "/^bearer +(\\S+) *$/i",
    replace: "/(\\S+) *$/i",
    tests: access
  },
  // Tokens
  {
    name: "that the secret of a token is looked at, and not its id alone",
    file: accessTokens,
    find: "return isSame ? one?.token : undefined",
    replace: "return isSame || one !== undefined ? one?.token : undefined",
    tests: tokens
  },
  {
    name: "that hashes are compared in constant time",
    file: accessTokens,
    find: "timingSafeEqual(hash, one?.hash ?? nothing)",
    replace: "Buffer.from(hash).equals(one?.hash ?? nothing)",
    tests: tokens
  },
  {
    name: "that an id which is unknown takes as long",
    file: accessTokens,
    find: "const isSame = timingSafeEqual(hash, one?.hash ?? nothing)",
    replace: "const isSame = one !== undefined && timingSafeEqual(hash, one.hash)",
    tests: tokens
  },
  {
    name: "that a hash is kept, and not the secret",
    file: "src/services/access/tokenSecret.ts",
    find: 'createHash("sha256").update(text).digest()',
    replace: 'Buffer.from(text.slice(21, 85), "hex")',
    tests: tokens
  },
  {
    name: "that the checksum of a token is looked at",
    file: "src/services/access/tokenSecret.ts",
    find: "return checksum === checksumOf(text.slice(0, -9)) ? id : undefined",
    replace: "return checksum === undefined ? undefined : id",
    tests: tokens
  },
  {
    name: "that a token which was revoked is not taken",
    file: accessTokens,
    find: "sql`revoked_at IS NULL AND (expires_at",
    replace: "sql`(expires_at",
    tests: tokens
  },
  {
    name: "that a token which expired is not read",
    file: accessTokens,
    find: "(expires_at IS NULL OR expires_at > ${now()})`",
    replace: "(expires_at IS NULL OR expires_at < 'infinity')`",
    tests: tokens
  },
  {
    name: "that a token which expires after it was read is not taken",
    file: accessTokens,
    find: "expiresAt !== null && expiresAt.epochMilliseconds <= databaseTime ? undefined : one",
    replace: "expiresAt !== null && expiresAt.epochMilliseconds <= 0 * databaseTime ? undefined : one",
    tests: tokens
  },
  {
    name: "that an answer which is being written ends with its token",
    file: guard,
    find: 'if (response.body._tag === "Stream") return whileValid(response, response.body, authority)',
    replace: 'if (response.body._tag === "Stream") return response',
    tests: access
  },
  {
    name: "that the writer makes no tokens",
    file: "src/services/schema/BacklogRoles.ts",
    find: 'writer: { SELECT: "all", UPDATE: ["last_used_at"] }, auditor: {} },',
    replace: 'writer: { SELECT: "all", INSERT: "all", UPDATE: ["last_used_at"] }, auditor: {} },',
    tests: ["test/proof/leastPrivilege.test.ts"]
  },
  // The actor
  {
    name: "that a command in another's name is refused",
    file: "src/http/handleCommand.ts",
    find: "payload.actor !== undefined && payload.actor !== caller.actor",
    replace: 'payload.actor !== undefined && payload.actor === ""',
    tests: access
  },
  {
    name: "that the actor of an event is the token's",
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
    name: "that an agent's actor is the token's",
    file: callerAgent,
    find: "if ((said.actor ?? actor) !== actor || (said.role ?? role) !== role) {",
    replace: "if ((said.role ?? role) !== role) {",
    tests: agents
  },
  {
    name: "that an agent's role is the token's",
    file: callerAgent,
    find: "if ((said.actor ?? actor) !== actor || (said.role ?? role) !== role) {",
    replace: "if ((said.actor ?? actor) !== actor) {",
    tests: agents
  },
  {
    name: "that an agent which is a worker claims in its own name",
    file: callerAgent,
    find: 'if (role === "worker" && !actsFor(actor, reservedNames, owner)) {',
    replace: 'if (role === "worker" && owner === "") {',
    tests: agents
  },
  {
    name: "that an agent's session is its caller's only",
    file: layerRoutes,
    find: "if (session !== undefined && !sessions.belongsTo(session, whose)) return unknownSession",
    replace: 'if (session === "") return unknownSession',
    tests: agents
  },
  // Roles
  {
    name: "that a caller asks what its role may",
    file: "src/http/Caller.ts",
    find: "!mayCall(role, endpoint.identifier)",
    replace: '!mayCall("orchestrator", endpoint.identifier)',
    tests: access
  },
  {
    name: "that erasing is the auditor's",
    file: policy,
    find: '? role === "auditor"',
    replace: '? role !== "worker"',
    tests: access
  },
  {
    name: "that what nobody thought of is the orchestrator's only",
    file: policy,
    find: "(Object.hasOwn(rolesByEndpoint, endpoint) && (rolesByEndpoint[endpoint]?.includes(role) ?? false))",
    replace: "(Object.hasOwn(others, endpoint) ? (others[endpoint]?.includes(role) ?? false) : true)",
    tests: access
  },
  {
    name: "that names under a worker's begin with it and a stroke",
    file: "src/services/access/AccessRole.ts",
    find: "name.startsWith(`${above}/`)",
    replace: "name.startsWith(above)",
    tests: access
  },
  {
    name: "that a worker claims in its own name",
    file: workerRules,
    find: "return requireOwnName(input.owner)",
    replace: "return Effect.void",
    tests: access
  },
  {
    name: "that a worker's next claim is in its own name",
    file: workerRules,
    find: "return Effect.andThen(requireOwnName(input.claimNext?.owner), requireOwnClaim(input))",
    replace: "return requireOwnClaim(input)",
    tests: access
  },
  {
    name: "that a worker does not force",
    file: workerRules,
    find: "if (force === true) return",
    replace: "if (force === true && token === undefined) return",
    tests: access
  },
  {
    name: "that a worker completes nothing without a claim",
    file: workerRules,
    find: "if (token === undefined) {",
    replace: "if (token === undefined) return\n    if (token < 0) {",
    tests: access
  },
  {
    name: "that a worker works on its own claims only",
    file: workerRules,
    find: "if (owner === undefined || !actsFor(actor, reservedNames, owner)) {",
    replace: "if (owner === undefined) {",
    tests: access
  },
  {
    name: "that a claim which never was is nobody's own",
    file: workerRules,
    find: "if (owner === undefined || !actsFor(actor, reservedNames, owner)) {",
    replace: "if (owner !== undefined && !actsFor(actor, reservedNames, owner)) {",
    tests: access
  },
  {
    name: "that a worker renews and releases its own claims only",
    file: workerRules,
    find: 'case "release":\n        return requireOwnClaim(input)',
    replace: 'case "release":\n        return Effect.void',
    tests: access
  },
  {
    name: "that all of a worker's completions are of its own claims",
    file: workerRules,
    find: "Effect.forEach(input.completions ?? [], requireOwnClaim,",
    replace: "Effect.forEach((input.completions ?? []).slice(0, 1), requireOwnClaim,",
    tests: access
  },
  {
    name: "that whose a claim was is asked of the event with which it began",
    file: "src/http/access/workerRules.ts",
    find: "return then?.claimToken === token ? (then.claimOwner ?? undefined) : undefined",
    replace: "return then?.claimOwner ?? undefined",
    tests: access
  },
  // Browsers
  {
    name: "that a server is asked for by its own names only",
    file: guard,
    find: "return name !== undefined && hosts.has(name)",
    replace: "return name !== undefined",
    tests: access
  },
  {
    name: "that a header Host is a name and a port, and nothing else",
    file: names,
    find: "(?::\\d{1,5})?$/",
    replace: "(?::\\d{1,5})?/",
    tests: access
  },
  {
    name: "that pages of other origins do not ask",
    file: guard,
    find: "if (isOther && !origins.has(origin)) return",
    replace: 'if (isOther && origin === "") return',
    tests: access
  },
  // Bounds
  {
    name: "that a body is refused for the length that it says",
    file: requests,
    find: 'if (Number(request.headers["content-length"]) > limitBytes) return',
    replace: 'if (Number(request.headers["content-length"]) < 0) return',
    tests: problems
  },
  {
    name: "that a body is refused which does not say its length",
    file: requests,
    find: "    Effect.provideService(effect, HttpIncomingMessage.MaxBodySize, limit)",
    replace: "    effect",
    also: [{ find: "import { HttpIncomingMessage, HttpServerRequest }", replace: "import { HttpServerRequest }" }],
    tests: problems
  },
  {
    name: "that an agent's message is refused for the length that it says",
    file: layerRoutes,
    find: 'if (Number(headers["content-length"]) > maxMessageBytes) {',
    replace: 'if (Number(headers["content-length"]) < 0) {',
    tests: agents
  },
  {
    name: "that an agent's message is refused which does not say its length",
    file: layerRoutes,
    find: "Effect.provideService(HttpIncomingMessage.MaxBodySize, maxMessageSize)",
    replace: "(answered) => answered",
    tests: agents
  },
  {
    name: "how often a caller may ask",
    file: guard,
    find: "const wait = take(token?.id ?? clientOf(request))",
    replace: "const wait = 0 * take.length",
    tests: access
  },
  {
    name: "that how often others ask is no matter of a caller's",
    file: guard,
    find: "const wait = take(token?.id ?? clientOf(request))",
    replace: 'const wait = take("")',
    tests: access
  },
  {
    name: "that how often is bounded where tokens are needed, unless told otherwise",
    file: "src/http/access/RateLimit.ts",
    find: "(requiresToken ? defaultRateLimit : undefined)",
    replace: "(requiresToken ? undefined : defaultRateLimit)",
    tests: access
  },
  {
    name: "how many connections there are",
    file: listen,
    find: "server.maxConnections = maxConnections\n",
    replace: "server.maxConnections = maxConnections + 1\n",
    tests: access
  },
  {
    name: "how long headers may take",
    file: listen,
    find: "...headersTimeoutSettings(toMillis(options.headersTimeout)),",
    replace: "headersTimeout: 0,",
    tests: access
  },
  {
    name: "how long a body may take",
    file: listen,
    find: "closeOnBodyTimeout(message, bodyTimeout)",
    replace: "message.resume",
    tests: access
  },
  {
    name: "how long a connection may be silent",
    file: listen,
    find: "  closeOnIdleTimeout(server, idleTimeout)\n",
    replace: "",
    tests: access
  },
  {
    name: "how long a reader may take nothing",
    file: "src/http/node/writeResponse.ts",
    find: "duration: timeout,",
    replace: 'duration: "1 hour",',
    tests: ["test/http/events.test.ts"]
  },
  // Secrets
  {
    name: "that a token in a query is kept out of traces",
    file: server,
    find: "      /token|secret|authorization|password|api.?key/i\n",
    replace: "",
    tests: disclosure
  },
  {
    name: "that a refusal does not repeat the token",
    file: guard,
    find: "new Unauthorized({ problem: error.message })",
    replace: "new Unauthorized({ problem: `${error.message} ${shown}` })",
    tests: disclosure
  },
  {
    name: "that the log of a refusal does not have the token in it",
    file: guard,
    find: "        reason,\n        from: clientOf(request)\n",
    replace: "        reason,\n        shown: request.headers.authorization,\n        from: clientOf(request)\n",
    tests: disclosure
  }
]

/** Tests that start programs, for which the copy is built first; the others save that. */
const startPrograms = new Set(agents)

export const accessMutations = mutations.map((mutation) => ({
  ...mutation,
  startsPrograms: mutation.tests.some((file) => startPrograms.has(file))
}))

/** Tokens that become invalid during a request, paths, and proxies: see docs/http.md. */
const guard = "src/http/access/guard.ts"
const forwarding = "src/http/access/forwarding.ts"
const server = "src/http/server.ts"
const listen = "src/http/node/listen.ts"
const requestTarget = "src/http/node/requestTarget.ts"
const handleCommand = "src/http/handleCommand.ts"
const accessTokens = "src/services/access/AccessTokens.ts"

const revoked = ["test/security/revokedTokens.test.ts"]
const proxies = ["test/security/proxies.test.ts"]
const tokens = ["test/services/access/accessTokens.test.ts"]

const mutations = [
  // Authority
  {
    name: "a command requires a token that is still valid",
    file: handleCommand,
    find: "Effect.flatMap(Effect.tap(commandInput<Input>(request), requireValidToken), method)",
    replace: "Effect.flatMap(commandInput<Input>(request), method)",
    also: [
      {
        find: "Effect.andThen(requireValidToken, effect)",
        replace: "Effect.andThen(Effect.andThen(requireValidToken, requireValidToken), effect)"
      }
    ],
    tests: revoked
  },
  {
    name: "a request that is not a command requires a token that is still valid",
    file: handleCommand,
    find: "withDatabaseErrors(Effect.andThen(requireValidToken, effect))",
    replace: "withDatabaseErrors(effect)",
    tests: revoked
  },
  {
    name: "a waiting claim checks its token before each claim",
    file: "src/http/backlogHandlers.ts",
    find: "Effect.andThen(requireValidToken, backlog.claim(input))",
    replace: "backlog.claim(input)",
    tests: revoked
  },
  {
    name: "an agent's waiting claim checks its token before each claim",
    file: "src/mcp/tools/claims.ts",
    find: "Effect.andThen(requireValidToken, claim)",
    replace: "claim",
    tests: revoked
  },
  {
    name: "a wait ends when its token becomes invalid",
    file: "src/http/Caller.ts",
    find: "Effect.raceFirst(waiting, failWhenInvalid)",
    replace: "Effect.andThen(Effect.sync(() => failWhenInvalid), waiting)",
    tests: revoked
  },
  {
    name: "a tool call requires a token that is still valid",
    file: "src/mcp/AgentTool.ts",
    find: "Effect.andThen(requireValidToken, answer(input, agent))",
    replace: "answer(input, agent)",
    also: [{ find: 'import { requireValidToken } from "../http/Caller.ts"\n', replace: "" }],
    tests: revoked
  },
  {
    name: "a call with an invalid token gets an HTTP status",
    file: "src/mcp/routes.ts",
    find: "if (error !== undefined && hasOneMessage(response)) return refusedResponse(error)",
    replace: "if (error !== undefined && response.status === 0) return refusedResponse(error)",
    tests: revoked
  },
  {
    name: "the last line of a log import requires a token that is still valid",
    file: "src/http/auditHandlers.ts",
    find: "onSome: (result) => Effect.as(requireValidToken, result)",
    replace: "onSome: (result) => Effect.succeed(result)",
    tests: revoked
  },
  {
    name: "an incomplete body ends when its token becomes invalid",
    file: guard,
    find: "          body.fail(error)\n",
    replace: "",
    tests: revoked
  },
  {
    name: "a body that broke off with its token gets status 401",
    file: guard,
    find: "if (response === undefined || bodyWatch.hasEnded()) return",
    replace: "if (response === undefined) return",
    also: [
      { find: "bodyWatch.hasEnded() ? Effect.undefined : Effect.failCause(cause)", replace: "Effect.failCause(cause)" }
    ],
    tests: revoked
  },
  {
    name: "data is not sent to a token that became invalid",
    file: guard,
    find: "return isRead && !(yield* isValid(authority))",
    replace: "return isRead && !isValid(authority)",
    tests: revoked
  },
  {
    name: "a token is checked with its role and its actor",
    file: guard,
    find: "tokens.isValid(token.id, token)",
    replace: "tokens.isValid(token.id)",
    tests: revoked
  },
  {
    name: "a token is read in the open transaction",
    file: accessTokens,
    find: "if (Option.isNone(yield* Effect.serviceOption(sql.transactionService)))",
    replace: "if (Option.isNone(Option.none()))",
    tests: revoked
  },
  // Paths
  {
    name: "an ambiguous path is refused",
    file: listen,
    find: "const problem = Result.isFailure(target) ? target.failure : repeatedHeaderProblem(message.rawHeaders)",
    replace: "const problem = repeatedHeaderProblem(message.rawHeaders)",
    tests: revoked
  },
  {
    name: "a duplicate header is refused",
    file: listen,
    find: "target.failure : repeatedHeaderProblem(message.rawHeaders)",
    replace: "target.failure : undefined",
    also: [{ find: "const repeatedHeaderProblem =", replace: "export const repeatedHeaderProblem =" }],
    tests: revoked
  },
  {
    name: "paths are case-sensitive",
    file: server,
    find: "  caseSensitive: true,\n",
    replace: "",
    tests: revoked
  },
  {
    name: "a trailing slash makes a different path",
    file: server,
    find: "ignoreTrailingSlash: false",
    replace: "ignoreTrailingSlash: true",
    tests: revoked
  },
  {
    name: "a path with dot segments is refused",
    file: requestTarget,
    find: "if (dotSegment.test(path)) return ambiguous",
    replace: "if (dotSegment.test(path) && path === url) return ambiguous",
    also: [{ find: "const dotSegment = /\\/\\.{1,2}(?:\\/|$)/", replace: "const dotSegment = /\\/\\.{3}(?:\\/|$)/" }],
    tests: proxies
  },
  {
    name: "needlessly encoded characters are refused",
    file: requestTarget,
    find: "!encodedPath.test(path) || neverEncoded.test(path)",
    replace: "!encodedPath.test(path)",
    also: [{ find: "const neverEncoded =", replace: "export const neverEncoded =" }],
    tests: proxies
  },
  {
    name: "a target URL must have the host of the Host header",
    file: requestTarget,
    find: "if (authority.toLowerCase() !== host?.toLowerCase()) {",
    replace: 'if (authority === "" && host === "") {',
    tests: proxies
  },
  // Tokens and headers
  {
    name: "a wrong secret takes the same lookups as an unknown id",
    file: accessTokens,
    find: "findMatching(yield* currentTokens, id, hash) ?? findMatching(yield* freshTokens, id, hash)",
    replace:
      "findMatching(yield* currentTokens, id, hash) ?? (findUnexpired(yield* currentTokens, id) === undefined ? findMatching(yield* freshTokens, id, hash) : undefined)",
    tests: tokens
  },
  {
    name: "a headers timeout is not extended by the interval between checks",
    file: "src/http/node/listen.ts",
    find: "Math.floor(limit) - interval",
    replace: "Math.floor(limit)",
    tests: proxies
  },
  {
    name: "requests without a valid token are limited by address",
    file: guard,
    find: "const wait = take(clientOf(request))",
    replace: "const wait = 0 * take.length",
    tests: proxies
  },
  // Origins
  {
    name: "an origin consists of scheme, host and port",
    file: guard,
    find: "origin !== serverOrigin(scheme, outerHost)",
    replace: "URL.parse(origin)?.host !== outerHost && serverOrigin(scheme, outerHost) !== origin",
    tests: proxies
  },
  {
    name: "only valid origins are accepted at start",
    file: server,
    find: "if (wrong !== undefined) {",
    replace: 'if (wrong === "") {',
    tests: proxies
  },
  // Proxies
  {
    name: "a server without tokens refuses forwarded requests",
    file: guard,
    find: "const proxy = requiresToken ? undefined : findForwardingHeader(headers)",
    replace: "const proxy = requiresToken ? findForwardingHeader({}) : undefined",
    tests: proxies
  },
  {
    name: "every forwarding header is recognized",
    file: forwarding,
    find: "forwardingPrefixes.some((prefix) => name.startsWith(prefix))",
    replace: "name === ''",
    tests: proxies
  },
  {
    name: "a server that requires no tokens logs a warning",
    file: server,
    find: "  if (!access.requiresToken) {\n",
    replace: "  if (access.requiresToken) {\n",
    tests: proxies
  },
  {
    name: "a server that trusts a proxy requires tokens",
    file: server,
    find: "requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "requireTokens || !isLoopback(host)",
    tests: proxies
  },
  {
    name: "forwarding headers from other addresses are ignored",
    file: forwarding,
    find: "while (includes(client)) {",
    replace: "while (includes(client) || client === peer) {",
    tests: proxies
  },
  {
    name: "forwarding headers from before the proxy are ignored",
    file: forwarding,
    find: "parseAddress(named.pop() ??",
    replace: "parseAddress(named.shift() ??",
    tests: proxies
  },
  {
    name: "one proxy hop is trusted unless several proxies are named",
    file: forwarding,
    find: "    if (!allowsChain) return client\n",
    replace: "",
    also: [{ find: "{ allowsChain, includes }: TrustedProxies", replace: "{ includes }: TrustedProxies" }],
    tests: proxies
  },
  {
    name: "a network of all addresses cannot be trusted",
    file: forwarding,
    find: "if (bits < 1 ||",
    replace: "if (bits < 0 ||",
    tests: proxies
  },
  {
    name: "the forwarded scheme is used from a trusted proxy only",
    file: guard,
    find: "const scheme = isProxied && lastValue",
    replace: "const scheme = lastValue",
    tests: proxies
  },
  {
    name: "the forwarded host must be one of the server's names",
    file: guard,
    find: "if (!isAllowed(outerHost)) return",
    replace: 'if (outerHost === "") return',
    tests: proxies
  }
]

export const requestMutations = mutations.map((mutation) => ({ ...mutation, startsPrograms: false }))

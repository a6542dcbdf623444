/** What ends the authority of a request on its way, and what a server believes of a proxy: see docs/http.md. */
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
    name: "that a command is carried out for a token that is still valid",
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
    name: "that what is no command is done for a token that is still valid",
    file: handleCommand,
    find: "withDatabaseErrors(Effect.andThen(requireValidToken, effect))",
    replace: "withDatabaseErrors(effect)",
    tests: revoked
  },
  {
    name: "that a waiting claim checks its token before each claim",
    file: "src/http/backlogHandlers.ts",
    find: "Effect.andThen(requireValidToken, backlog.claim(input))",
    replace: "backlog.claim(input)",
    tests: revoked
  },
  {
    name: "that an agent's waiting claim checks its token before each claim",
    file: "src/mcp/tools/claims.ts",
    find: "Effect.andThen(requireValidToken, taken)",
    replace: "taken",
    tests: revoked
  },
  {
    name: "that waits end with the token",
    file: "src/http/Caller.ts",
    find: "Effect.raceFirst(waiting, failWhenInvalid)",
    replace: "Effect.andThen(Effect.sync(() => failWhenInvalid), waiting)",
    tests: revoked
  },
  {
    name: "that a tool is carried out for a token that is still valid",
    file: "src/mcp/AgentTool.ts",
    find: "Effect.andThen(requireValidToken, answer(input, agent))",
    replace: "answer(input, agent)",
    also: [{ find: 'import { requireValidToken } from "../http/Caller.ts"\n', replace: "" }],
    tests: revoked
  },
  {
    name: "that a call of a token that is not valid is answered with a status",
    file: "src/mcp/routes.ts",
    find: "if (error !== undefined && hasOneMessage(response)) return refusedResponse(error)",
    replace: "if (error !== undefined && response.status === 0) return refusedResponse(error)",
    tests: revoked
  },
  {
    name: "that the last line of a log is imported for a token that is still valid",
    file: "src/http/auditHandlers.ts",
    find: "onSome: (result) => Effect.as(requireValidToken, result)",
    replace: "onSome: (result) => Effect.succeed(result)",
    tests: revoked
  },
  {
    name: "that a body which never comes whole ends with the token",
    file: guard,
    find: "          body.fail(error)\n",
    replace: "",
    tests: revoked
  },
  {
    name: "that a body which broke off with its token is answered with 401",
    file: guard,
    find: "if (response === undefined || watched.hasEnded()) return",
    replace: "if (response === undefined) return",
    also: [
      { find: "watched.hasEnded() ? Effect.undefined : Effect.failCause(cause)", replace: "Effect.failCause(cause)" }
    ],
    tests: revoked
  },
  {
    name: "that what was read is not given to a token that is not valid any more",
    file: guard,
    find: "return isRead && !(yield* isValid(authority))",
    replace: "return isRead && !isValid(authority)",
    tests: revoked
  },
  {
    name: "that a token is valid for its role and its actor",
    file: guard,
    find: "tokens.isTaken(token.id, token)",
    replace: "tokens.isTaken(token.id)",
    tests: revoked
  },
  {
    name: "that a token is read in the transaction that is open",
    file: accessTokens,
    find: "if (Option.isNone(yield* Effect.serviceOption(sql.transactionService)))",
    replace: "if (Option.isNone(Option.none()))",
    tests: revoked
  },
  // Paths
  {
    name: "that a path is refused which can be read in several ways",
    file: listen,
    find: "const problem = Result.isFailure(target) ? target.failure : repeatedHeaderProblem(message.rawHeaders)",
    replace: "const problem = repeatedHeaderProblem(message.rawHeaders)",
    tests: revoked
  },
  {
    name: "that a header is refused which is there twice",
    file: listen,
    find: "target.failure : repeatedHeaderProblem(message.rawHeaders)",
    replace: "target.failure : undefined",
    also: [{ find: "const repeatedHeaderProblem =", replace: "export const repeatedHeaderProblem =" }],
    tests: revoked
  },
  {
    name: "that a router compares paths exactly: case",
    file: server,
    find: "  caseSensitive: true,\n",
    replace: "",
    tests: revoked
  },
  {
    name: "that a router compares paths exactly: a slash at the end",
    file: server,
    find: "ignoreTrailingSlash: false",
    replace: "ignoreTrailingSlash: true",
    tests: revoked
  },
  {
    name: "that a path has no dot segments",
    file: requestTarget,
    find: "if (dotSegment.test(path)) return ambiguous",
    replace: "if (dotSegment.test(path) && path === url) return ambiguous",
    also: [{ find: "const dotSegment = /\\/\\.{1,2}(?:\\/|$)/", replace: "const dotSegment = /\\/\\.{3}(?:\\/|$)/" }],
    tests: proxies
  },
  {
    name: "that characters are encoded only where they have to be",
    file: requestTarget,
    find: "!encodedPath.test(path) || neverEncoded.test(path)",
    replace: "!encodedPath.test(path)",
    also: [{ find: "const neverEncoded =", replace: "export const neverEncoded =" }],
    tests: proxies
  },
  {
    name: "that a target which is a URL names the host of the header",
    file: requestTarget,
    find: "if (authority.toLowerCase() !== host?.toLowerCase()) {",
    replace: 'if (authority === "" && host === "") {',
    tests: proxies
  },
  // Tokens and heads
  {
    name: "that a wrong secret is looked for as an unknown id is",
    file: accessTokens,
    find: "shownIn(yield* current, id, hash) ?? shownIn(yield* knownFromNowOn, id, hash)",
    replace:
      "shownIn(yield* current, id, hash) ?? (takenIn(yield* current, id) === undefined ? shownIn(yield* knownFromNowOn, id, hash) : undefined)",
    tests: tokens
  },
  {
    name: "that the head of a request does not end at a later check",
    file: "src/http/node/listen.ts",
    find: "Math.floor(limit) - between",
    replace: "Math.floor(limit)",
    tests: proxies
  },
  {
    name: "that requests without a valid token are limited by their address",
    file: guard,
    find: "const wait = take(clientOf(request))",
    replace: "const wait = 0 * take.length",
    tests: proxies
  },
  // Origins
  {
    name: "that an origin is scheme, host and port",
    file: guard,
    find: "origin !== serverOrigin(scheme, outerHost)",
    replace: "URL.parse(origin)?.host !== outerHost && serverOrigin(scheme, outerHost) !== origin",
    tests: proxies
  },
  {
    name: "that a server is started with origins only",
    file: server,
    find: "if (wrong !== undefined) {",
    replace: 'if (wrong === "") {',
    tests: proxies
  },
  // Proxies
  {
    name: "that a server without tokens refuses what a proxy forwards",
    file: guard,
    find: "const proxy = requiresToken ? undefined : findForwardingHeader(headers)",
    replace: "const proxy = requiresToken ? findForwardingHeader({}) : undefined",
    tests: proxies
  },
  {
    name: "that every forwarding header is one",
    file: forwarding,
    find: "forwardingPrefixes.some((prefix) => name.startsWith(prefix))",
    replace: "name === ''",
    tests: proxies
  },
  {
    name: "that a server warns which asks no caller for a token",
    file: server,
    find: "  if (!access.requiresToken) {\n",
    replace: "  if (access.requiresToken) {\n",
    tests: proxies
  },
  {
    name: "that a server which trusts a proxy requires tokens",
    file: server,
    find: "requireTokens || trusted.success !== undefined || !isLoopback(host)",
    replace: "requireTokens || !isLoopback(host)",
    tests: proxies
  },
  {
    name: "that a connection which is no proxy's is not believed",
    file: forwarding,
    find: "while (includes(client)) {",
    replace: "while (includes(client) || client === peer) {",
    tests: proxies
  },
  {
    name: "that what a client writes before its proxy is not believed",
    file: forwarding,
    find: "parseAddress(named.pop() ??",
    replace: "parseAddress(named.shift() ??",
    tests: proxies
  },
  {
    name: "that one proxy is believed unless several are named",
    file: forwarding,
    find: "    if (!allowsChain) return client\n",
    replace: "",
    also: [{ find: "{ allowsChain, includes }: TrustedProxies", replace: "{ includes }: TrustedProxies" }],
    tests: proxies
  },
  {
    name: "that no network of all addresses is trusted",
    file: forwarding,
    find: "if (bits < 1 ||",
    replace: "if (bits < 0 ||",
    tests: proxies
  },
  {
    name: "that the scheme of a page is read of a trusted proxy only",
    file: guard,
    find: "const scheme = isProxied && lastValue",
    replace: "const scheme = lastValue",
    tests: proxies
  },
  {
    name: "that the outer host is one of the server's names",
    file: guard,
    find: "if (!isAllowed(outerHost)) return",
    replace: 'if (outerHost === "") return',
    tests: proxies
  }
]

export const requestMutations = mutations.map((mutation) => ({ ...mutation, startsPrograms: false }))

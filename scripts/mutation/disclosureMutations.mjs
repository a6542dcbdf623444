/** Redaction of secrets and rows, and exact JSON: see docs/operations.md and docs/http.md. */
const redactSecrets = "src/domain/redactSecrets.ts"
const databaseWords = "src/sql/databaseErrors.ts"
const disclosable = "src/sql/sanitize.ts"
const exactJson = "src/domain/parseExactJson.ts"
const withoutSecrets = "src/services/withoutSecrets.ts"
const answerProblems = "src/http/problemResponses.ts"
const exactBody = "src/http/readJsonBody.ts"
const exactAnswer = "src/http/client/connect.ts"
const connect = "src/http/client/connect.ts"
const run = "src/cli/run.ts"

const disclosure = ["test/security/disclosure.test.ts"]
const exact = ["test/security/exactJson.test.ts"]
const parsed = ["test/domain/parseExactJson.test.ts"]

const mutations = [
  // Secrets
  {
    name: "a token is found when it is percent-encoded",
    file: redactSecrets,
    find: "`(?:${character}|%(?:25)*(?:${codes})|",
    replace: "`(?:${character}|",
    tests: disclosure
  },
  {
    name: "a token is found when it is percent-encoded twice",
    file: redactSecrets,
    find: "`(?:${character}|%(?:25)*(?:${codes})|",
    replace: "`(?:${character}|%(?:${codes})|",
    tests: disclosure
  },
  {
    name: "a token is found in capital letters",
    file: redactSecrets,
    find: '  "gi"\n',
    replace: '  "g"\n',
    tests: disclosure
  },
  {
    name: "a truncated token is found",
    file: redactSecrets,
    find: "${tokenCharacter}+` +",
    replace: "${tokenCharacter}{85}` +",
    tests: disclosure
  },
  {
    name: "a token is found without its beginning",
    file: redactSecrets,
    find: "[0-9a-f]{32,64}",
    replace: "[0-9a-f]{99}",
    tests: disclosure
  },
  {
    name: "the id of a token is kept",
    file: redactSecrets,
    find: 'tokenId.exec(found)?.[0] ?? "mbk"',
    replace: '"mbk"',
    tests: disclosure
  },
  {
    name: "a password in a URL is replaced up to the last @",
    file: redactSecrets,
    find: ":[^\\s/?#]*@/g",
    replace: ":[^\\s/?#@]*@/g",
    tests: disclosure
  },
  {
    name: "a password in a query is replaced",
    file: redactSecrets,
    find: '.replace(passwordInQuery, "$1***")',
    replace: '.replace(passwordInQuery, "$&")',
    tests: disclosure
  },

  // Database errors
  {
    name: "messages that repeat values are omitted",
    file: databaseWords,
    find: "/^(?:08|0A|",
    replace: "/^(?:08|22|23|P0|0A|",
    tests: disclosure
  },
  {
    name: "messages that database functions raise are omitted",
    file: databaseWords,
    find: "sqlStatesWithoutContent.test(error.code) && !isRaisedByFunction(error)",
    replace: "saysNoContent.test(error.code)",
    tests: disclosure
  },
  {
    name: "names that database functions raise are omitted",
    file: databaseWords,
    find: "const names = isRaisedByFunction(error)\n",
    replace: 'const names = fieldOf(error, "code") === undefined\n',
    tests: disclosure
  },
  {
    name: "encoding errors are not repeated",
    file: databaseWords,
    find: 'cause.message !== "" && !repeatsValues(cause)',
    replace: 'cause.message !== "" && (!repeatsValues(cause) || cause.message !== "")',
    tests: disclosure
  },
  {
    name: "the cause of an error is redacted",
    file: disclosable,
    find: "const cause = sanitizeError(error.cause, ancestors)",
    replace: "const cause = error.cause",
    tests: disclosure
  },
  {
    name: "the fields of an error are redacted",
    file: disclosable,
    find: "const fields = sanitizeFields(own, ancestors)",
    replace: "const fields = own",
    tests: disclosure
  },
  {
    name: "names of fields are redacted",
    file: disclosable,
    find: "[redactSecrets(entry[0]), sanitizeWithin(entry[1], ancestors)]",
    replace: "[entry[0], walked(entry[1], within)]",
    tests: disclosure
  },
  {
    name: "objects with toJSON are redacted",
    file: disclosable,
    find: "return sanitizeWithin(value.toJSON(), path)",
    replace: "return value",
    tests: disclosure
  },
  {
    name: "maps are redacted",
    file: disclosable,
    find: "if (value instanceof Map) return sanitizeWithin([...value], path)",
    replace: "if (value instanceof Map) return value",
    tests: disclosure
  },
  {
    name: "sets are redacted",
    file: disclosable,
    find: "if (value instanceof Set) return sanitizeWithin([...value], path)",
    replace: "if (value instanceof Set) return value",
    tests: disclosure
  },
  {
    name: "defects are redacted",
    file: disclosable,
    find: "const defect = sanitizeError(reason.defect, ancestors)",
    replace: "const defect = reason.defect",
    tests: disclosure
  },
  {
    name: "the stack of an error is redacted",
    file: disclosable,
    find: "error.stack === undefined ? undefined : redactSecrets(error.stack)",
    replace: "error.stack",
    tests: disclosure
  },

  // Where secrets are redacted
  {
    name: "log messages are redacted",
    file: withoutSecrets,
    find: "message: sanitize(options.message)",
    replace: "message: options.message",
    tests: disclosure
  },
  {
    name: "logged causes are redacted",
    file: withoutSecrets,
    find: "      cause: sanitizeCause(options.cause),\n",
    replace: "",
    tests: disclosure
  },
  {
    name: "log annotations are redacted",
    file: withoutSecrets,
    find: "fiber: sanitizeFiber(options.fiber)",
    replace: "fiber: options.fiber",
    tests: disclosure
  },
  {
    name: "reported errors are redacted",
    file: withoutSecrets,
    find: "reporter.report({ ...options, cause: sanitizeCause(options.cause) })",
    replace: "reporter.report(options)",
    tests: disclosure
  },
  {
    name: "span names are redacted",
    file: withoutSecrets,
    find: "name: sanitize(options.name) as string",
    replace: "name: options.name",
    tests: disclosure
  },
  {
    name: "span attributes are redacted",
    file: withoutSecrets,
    find: "readArgumentNames(value) : sanitize(value))",
    replace: "readArgumentNames(value) : value)",
    tests: disclosure
  },
  {
    name: "spans do not contain tool arguments",
    file: withoutSecrets,
    find: "key === toolArgumentsKey ? readArgumentNames(value)",
    replace: 'key === "" ? readArgumentNames(value)',
    tests: disclosure
  },
  {
    name: "span events are redacted",
    file: withoutSecrets,
    find: "startTime, sanitize(attributes) as typeof attributes)",
    replace: "startTime, attributes)",
    tests: disclosure
  },
  {
    name: "names of span events are redacted",
    file: withoutSecrets,
    find: "original.event(sanitize(name) as string,",
    replace: "original.event(name,",
    tests: disclosure
  },
  {
    name: "span links are redacted",
    file: withoutSecrets,
    find: 'sanitize(link.attributes) as Tracer.SpanLink["attributes"]',
    replace: "link.attributes",
    tests: disclosure
  },
  {
    name: "span errors are redacted",
    file: withoutSecrets,
    find: "original.end(endTime, sanitizeExit(exit))",
    replace: "original.end(endTime, exit)",
    tests: disclosure
  },
  {
    name: "a server's logs and traces contain no secrets",
    file: "src/http/server.ts",
    find: "withoutSecrets(startServer(options))",
    replace: "startServer(options)",
    tests: disclosure
  },
  {
    name: "a client's traces contain no secrets",
    file: connect,
    find: "withoutSecrets(\n",
    replace: "((effect) => effect)(\n",
    tests: disclosure
  },
  {
    name: "traces of batches contain no rows",
    file: "src/services/commands/CommandQueue.ts",
    find: "withoutSecrets(Effect.forever(runFirst))",
    replace: "Effect.forever(runFirst)",
    tests: disclosure
  },
  {
    name: "answers to agents contain no secrets",
    file: "src/mcp/stdio.ts",
    find: "withoutSecrets(serveAgent(agent, pipes, layerTools(agent.role)))",
    replace: "serveAgent(agent, pipes, layerTools(agent.role))",
    tests: disclosure
  },
  {
    name: "a problem response contains no token",
    file: answerProblems,
    find: "? redactResponse(response)\n",
    replace: "? response\n",
    tests: disclosure
  },
  {
    name: "the problem response for an unknown path contains no token",
    file: answerProblems,
    find: "const response = redactResponse(problemResponse(problem))\n",
    replace: "const response = problemResponse(problem)\n",
    tests: disclosure
  },
  {
    name: "a tool error contains no token",
    file: "src/mcp/layerTools.ts",
    find: "text: redactSecrets(text)",
    replace: "text",
    tests: disclosure
  },
  {
    name: "a metric contains no token",
    file: "src/http/operations.ts",
    find: "redactSecrets(consumer)",
    replace: "consumer",
    tests: disclosure
  },
  {
    name: "the reason of a parked event contains no row and no token",
    file: "src/events/consume.ts",
    find: "Cause.pretty(sanitizeCause(cause))",
    replace: "Cause.pretty(cause)",
    tests: disclosure
  },
  {
    name: "the reason of a failed attempt contains no token",
    file: "src/worker/workOnCard.ts",
    find: "redactSecrets(errorText(error))",
    replace: "errorText(error)",
    tests: disclosure
  },
  {
    name: "a worker's logs contain no token",
    file: "src/worker/WorkerState.ts",
    find: '"onEvent failed; the worker continues.", sanitizeCause(cause)',
    replace: '"onEvent failed; the worker continues.", cause',
    tests: disclosure
  },
  {
    name: "standard error contains no token",
    file: run,
    find: "outside.stderr.write(redactSecrets(text))",
    replace: "outside.stderr.write(text)",
    tests: disclosure
  },
  {
    name: "an error document contains no token",
    file: run,
    find: "formatDocument({ error: sanitize(failure.document) })",
    replace: "formatDocument({ error: failure.document })",
    tests: disclosure
  },
  {
    name: "a JSON problem contains no token",
    file: exactJson,
    find: "redactSecrets(`at character",
    replace: "String(`at character",
    tests: disclosure
  },
  {
    name: "the doctor's output contains no token",
    file: "src/cli/commands/doctor.ts",
    find: "redactSecrets(formatFindings(",
    replace: "String(formatFindings(",
    tests: disclosure
  },
  {
    name: "the doctor's document contains no token",
    file: "src/cli/commands/doctor.ts",
    find: "sanitize({ isWell",
    replace: "({ isWell",
    tests: disclosure
  },

  // Exact JSON
  {
    name: "numbers of many digits are checked",
    file: exactJson,
    find: "const minInexactDigits = 15",
    replace: "const minInexactDigits = 1500",
    tests: parsed
  },
  {
    name: "numbers with exponents are checked",
    file: exactJson,
    find: "(at - start >= minInexactDigits || hasExponent)",
    replace: "at - start >= minInexactDigits",
    tests: parsed
  },
  {
    name: "keys are counted",
    file: exactJson,
    find: "countMembersIfExact(text) === countMembers(value)",
    replace: "exactMembers(text) >= 0",
    tests: parsed
  },
  {
    name: "colons in strings do not count as members",
    file: exactJson,
    find: "if ((end - before) % 2 === 1) return end",
    replace: "if (before < end) return end",
    tests: parsed
  },
  {
    name: "a request body is stored exactly",
    file: exactBody,
    find: "const parsed = parseExactJson(text)",
    replace: "const parsed = Result.succeed(JSON.parse(text))",
    also: [{ find: "import { describeJsonProblem, parseExactJson }", replace: "import { describeJsonProblem }" }],
    tests: exact
  },
  {
    name: "a body with any JSON content type is stored exactly",
    file: exactBody,
    find: ' || mediaTypeOf(headers["content-type"]) === jsonType',
    replace: "",
    tests: exact
  },
  {
    name: "a body must be UTF-8",
    file: exactBody,
    find: "if (!isUtf8(bytes))",
    replace: "if (isUtf8(new Uint8Array([255])))",
    tests: exact
  },
  {
    name: "a client refuses responses that would be changed",
    file: exactAnswer,
    find: "return error === undefined ? Effect.succeed(response) : Effect.fail(error)",
    replace: "return error === undefined ? Effect.succeed(response) : Effect.succeed(response)",
    tests: exact
  },
  {
    name: "a client refuses lines that would be changed",
    file: exactAnswer,
    find: "checkLines(response, (line) => line)",
    replace: 'checkLines(response, () => "")',
    tests: exact
  },
  {
    name: "a client refuses events that would be changed",
    file: exactAnswer,
    find: '.exec(line)?.[1] ?? "")',
    replace: '.exec(line)?.[2] ?? "")',
    tests: exact
  },
  {
    name: "an agent's message over HTTP is stored exactly",
    file: "src/mcp/routes.ts",
    find: 'if (checked._tag === "Answered") return',
    replace: 'if (checked._tag === "None") return',
    tests: exact
  },
  {
    name: "an agent's message over pipes is stored exactly",
    file: "src/mcp/stdio.ts",
    find: 'checked._tag === "Answered" ? answerOnly',
    replace: 'checked._tag === "None" ? answerOnly',
    tests: exact
  },
  {
    name: "a message with an ambiguous id gets no response",
    file: "src/mcp/messages.ts",
    find: 'failure.pointer !== "/id" && ',
    replace: "",
    tests: exact
  },
  {
    name: "a line of a beads file is stored exactly",
    file: "src/import/readBeads.ts",
    find: "  Result.match(parseExactJson(line), {",
    replace:
      '  Result.match(Result.try(() => JSON.parse(line) as unknown).pipe(Result.mapError(() => ({ at: 1, pointer: "", problem: "" }))), {',
    tests: exact
  },
  {
    name: "a line of an exported log is stored exactly",
    file: "src/events/LogFile.ts",
    find: "    parseExactJson(text),\n",
    replace:
      '    Result.try(() => JSON.parse(text) as unknown).pipe(Result.mapError(() => ({ at: 1, pointer: "", problem: "" }))),\n',
    tests: exact
  },
  {
    name: "the id and the secret of a token are redacted by themselves",
    file: "src/domain/redactSecrets.ts",
    find: "[0-9a-f]{16}${separator}(?:[0-9a-f]{64}",
    replace: "[0-9a-f]{16}${separator}(?:[0-9a-f]{65}",
    tests: ["test/security/disclosure.test.ts"]
  }
]

/** None of these tests starts a program. */
export const disclosureMutations = mutations.map((mutation) => ({
  ...mutation,
  name: `disclosure: ${mutation.name}`,
  startsPrograms: false
}))

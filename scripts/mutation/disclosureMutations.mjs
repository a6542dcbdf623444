/** What keeps secrets and rows out of logs, traces and errors, and JSON as it was sent: see docs/operations.md, docs/http.md. */
const redactSecrets = "src/domain/redactSecrets.ts"
const databaseWords = "src/sql/databaseErrors.ts"
const disclosable = "src/sql/sanitize.ts"
const exactJson = "src/domain/parseExactJson.ts"
const withoutSecrets = "src/services/withoutSecrets.ts"
const answerProblems = "src/http/problemResponses.ts"
const exactBody = "src/http/RequestValidation.ts"
const exactAnswer = "src/http/client/connect.ts"
const connect = "src/http/client/connect.ts"
const run = "src/cli/run.ts"

const told = ["test/security/disclosure.test.ts"]
const exact = ["test/security/exactJson.test.ts"]
const parsed = ["test/domain/parseExactJson.test.ts"]

const mutations = [
  // What is a secret
  {
    name: "that a token is found when it is percent-encoded",
    file: redactSecrets,
    find: "`(?:${character}|%(?:25)*(?:${codes})|",
    replace: "`(?:${character}|",
    tests: told
  },
  {
    name: "that a token is found when it is percent-encoded twice",
    file: redactSecrets,
    find: "`(?:${character}|%(?:25)*(?:${codes})|",
    replace: "`(?:${character}|%(?:${codes})|",
    tests: told
  },
  { name: "that a token is found in capitals", file: redactSecrets, find: '  "gi"\n', replace: '  "g"\n', tests: told },
  {
    name: "that a token is found when it was truncated",
    file: redactSecrets,
    find: "${tokenCharacter}+` +",
    replace: "${tokenCharacter}{85}` +",
    tests: told
  },
  {
    name: "that a token is found without its beginning",
    file: redactSecrets,
    find: "[0-9a-f]{32,64}",
    replace: "[0-9a-f]{99}",
    tests: told
  },
  {
    name: "that the id of a token stays",
    file: redactSecrets,
    find: 'withId.exec(found)?.[0] ?? "mbk"',
    replace: '"mbk"',
    tests: told
  },
  {
    name: "that a password in a URL is replaced up to the last @",
    file: redactSecrets,
    find: ":[^\\s/?#]*@/g",
    replace: ":[^\\s/?#@]*@/g",
    tests: told
  },
  {
    name: "that a password in a query is replaced",
    file: redactSecrets,
    find: '.replace(passwordInQuery, "$1***")',
    replace: '.replace(passwordInQuery, "$&")',
    tests: told
  },

  // What may be logged of a failure of the database
  {
    name: "that messages which repeat values are left out",
    file: databaseWords,
    find: "/^(?:08|0A|",
    replace: "/^(?:08|22|23|P0|0A|",
    tests: told
  },
  {
    name: "that messages which functions of the database raise are left out",
    file: databaseWords,
    find: "saysNoContent.test(error.code) && !isRaised(error)",
    replace: "saysNoContent.test(error.code)",
    tests: told
  },
  {
    name: "that names which functions of the database raise are left out",
    file: databaseWords,
    find: "const names = isRaised(error)\n",
    replace: 'const names = fieldOf(error, "code") === undefined\n',
    tests: told
  },
  {
    name: "that errors of encoding are not repeated",
    file: databaseWords,
    find: 'cause.message !== "" && !repeatsValues(cause)',
    replace: 'cause.message !== "" && (!repeatsValues(cause) || cause.message !== "")',
    tests: told
  },
  {
    name: "that the cause of an error is changed too",
    file: disclosable,
    find: "const cause = errorWalked(error.cause, within)",
    replace: "const cause = error.cause",
    tests: told
  },
  {
    name: "that the fields of an error are changed too",
    file: disclosable,
    find: "const fields = fieldsWalked(own, within)",
    replace: "const fields = own",
    tests: told
  },
  {
    name: "that names of fields are changed too",
    file: disclosable,
    find: "[redactSecrets(entry[0]), walked(entry[1], within)]",
    replace: "[entry[0], walked(entry[1], within)]",
    tests: told
  },
  {
    name: "that objects which make JSON of themselves are changed",
    file: disclosable,
    find: "return walked(value.toJSON(), inside)",
    replace: "return value",
    tests: told
  },
  {
    name: "that maps are changed",
    file: disclosable,
    find: "if (value instanceof Map) return walked([...value], inside)",
    replace: "if (value instanceof Map) return value",
    tests: told
  },
  {
    name: "that sets are changed",
    file: disclosable,
    find: "if (value instanceof Set) return walked([...value], inside)",
    replace: "if (value instanceof Set) return value",
    tests: told
  },
  {
    name: "that defects are changed",
    file: disclosable,
    find: "const defect = errorWalked(reason.defect, within)",
    replace: "const defect = reason.defect",
    tests: told
  },
  {
    name: "that the stack of an error is changed",
    file: disclosable,
    find: "error.stack === undefined ? undefined : redactSecrets(error.stack)",
    replace: "error.stack",
    tests: told
  },

  // Where it is replaced
  {
    name: "that messages of loggers are changed",
    file: withoutSecrets,
    find: "message: sanitize(options.message)",
    replace: "message: options.message",
    tests: told
  },
  {
    name: "that causes of loggers are changed",
    file: withoutSecrets,
    find: "      cause: sanitizeCause(options.cause),\n",
    replace: "",
    tests: told
  },
  {
    name: "that annotations of loggers are changed",
    file: withoutSecrets,
    find: "fiber: quietFiber(options.fiber)",
    replace: "fiber: options.fiber",
    tests: told
  },
  {
    name: "that reported errors are changed",
    file: withoutSecrets,
    find: "reporter.report({ ...options, cause: sanitizeCause(options.cause) })",
    replace: "reporter.report(options)",
    tests: told
  },
  {
    name: "that names of spans are changed",
    file: withoutSecrets,
    find: "name: sanitize(options.name) as string",
    replace: "name: options.name",
    tests: told
  },
  {
    name: "that attributes of spans are changed",
    file: withoutSecrets,
    find: "namesIn(value) : sanitize(value))",
    replace: "namesIn(value) : value)",
    tests: told
  },
  {
    name: "that the arguments of tools are left out of spans",
    file: withoutSecrets,
    find: "key === argumentsOfTool ? namesIn(value)",
    replace: 'key === "" ? namesIn(value)',
    tests: told
  },
  {
    name: "that events of spans are changed",
    file: withoutSecrets,
    find: "startTime, sanitize(attributes) as typeof attributes)",
    replace: "startTime, attributes)",
    tests: told
  },
  {
    name: "that names of events of spans are changed",
    file: withoutSecrets,
    find: "own.event(sanitize(name) as string,",
    replace: "own.event(name,",
    tests: told
  },
  {
    name: "that links of spans are changed",
    file: withoutSecrets,
    find: 'sanitize(link.attributes) as Tracer.SpanLink["attributes"]',
    replace: "link.attributes",
    tests: told
  },
  {
    name: "that errors of spans are changed",
    file: withoutSecrets,
    find: "own.end(endTime, sanitizeExit(exit))",
    replace: "own.end(endTime, exit)",
    tests: told
  },
  {
    name: "that a server logs and traces without secrets",
    file: "src/http/server.ts",
    find: "withoutSecrets(served(options))",
    replace: "served(options)",
    tests: told
  },
  {
    name: "that a client traces without secrets",
    file: connect,
    find: "withoutSecrets(\n",
    replace: "((effect) => effect)(\n",
    tests: told
  },
  {
    name: "that batches are traced without rows",
    file: "src/services/commands/CommandQueue.ts",
    find: "runShare).pipe(Effect.forever, withoutSecrets, Effect.forkScoped)",
    replace: "runShare).pipe(Effect.forever, Effect.forkScoped)",
    tests: told
  },
  {
    name: "that agents are served without secrets",
    file: "src/mcp/stdio.ts",
    find: "withoutSecrets(served(agent, pipes))",
    replace: "served(agent, pipes)",
    tests: told
  },
  {
    name: "that a problem has no token",
    file: answerProblems,
    find: "? redactResponse(response)\n",
    replace: "? response\n",
    tests: told
  },
  {
    name: "that the problem of an unknown path has no token",
    file: answerProblems,
    find: "const response = redactResponse(\n",
    replace: "const response = ((same: HttpServerResponse.HttpServerResponse) => same)(\n",
    tests: told
  },
  {
    name: "that an error of a tool has no token",
    file: "src/mcp/layerTools.ts",
    find: "text: redactSecrets(text)",
    replace: "text",
    tests: told
  },
  {
    name: "that a metric has no token",
    file: "src/http/operations.ts",
    find: "redactSecrets(consumer)",
    replace: "consumer",
    tests: told
  },
  {
    name: "that the reason of a parked event has no row and no token",
    file: "src/events/consume.ts",
    find: "Cause.pretty(sanitizeCause(cause))",
    replace: "Cause.pretty(cause)",
    tests: told
  },
  {
    name: "that the reason of an attempt has no token",
    file: "src/worker/workOnCard.ts",
    find: "redactSecrets(errorText(error))",
    replace: "errorText(error)",
    tests: told
  },
  {
    name: "that what a worker logs has no token",
    file: "src/worker/WorkerState.ts",
    find: '"onEvent failed; the worker continues.", sanitizeCause(cause)',
    replace: '"onEvent failed; the worker continues.", cause',
    tests: told
  },
  {
    name: "that standard error has no token",
    file: run,
    find: "outside.stderr.write(redactSecrets(text))",
    replace: "outside.stderr.write(text)",
    tests: told
  },
  {
    name: "that the document of an error has no token",
    file: run,
    find: "formatDocument({ error: sanitize(failure.document) })",
    replace: "formatDocument({ error: failure.document })",
    tests: told
  },
  {
    name: "that a problem of JSON has no token",
    file: exactJson,
    find: "redactSecrets(`at character",
    replace: "String(`at character",
    tests: told
  },
  {
    name: "that the doctor repeats no token",
    file: "src/cli/commands/doctor.ts",
    find: "redactSecrets(formatFindings(",
    replace: "String(formatFindings(",
    tests: told
  },
  {
    name: "that the doctor's document repeats no token",
    file: "src/cli/commands/doctor.ts",
    find: "sanitize({ isWell",
    replace: "({ isWell",
    tests: told
  },

  // JSON is kept exactly
  {
    name: "that numbers of many digits are checked",
    file: exactJson,
    find: "const fewestInexact = 15",
    replace: "const fewestInexact = 1500",
    tests: parsed
  },
  {
    name: "that numbers with exponents are checked",
    file: exactJson,
    find: "(at - start >= fewestInexact || hasExponent)",
    replace: "at - start >= fewestInexact",
    tests: parsed
  },
  {
    name: "that keys are counted",
    file: exactJson,
    find: "exactMembers(text) === membersIn(value)",
    replace: "exactMembers(text) >= 0",
    tests: parsed
  },
  {
    name: "that colons in strings are no members",
    file: exactJson,
    find: "if ((end - before) % 2 === 1) return end",
    replace: "if (before < end) return end",
    tests: parsed
  },
  {
    name: "that the body of a request is kept exactly",
    file: "src/http/RequestValidation.ts",
    find: "    yield* bounded(requireExactBody(request))\n",
    replace: "",
    tests: exact
  },
  {
    name: "that a body with any JSON type is kept exactly",
    file: exactBody,
    find: "\\s*(?:;|$)/i.test(contentType)",
    replace: "$/.test(contentType)",
    tests: exact
  },
  {
    name: "that a body is UTF-8",
    file: exactBody,
    find: "if (!isUtf8(yield* Effect.orDie(request.arrayBuffer)))",
    replace: "if (isUtf8(new Uint8Array([255])))",
    tests: exact
  },
  {
    name: "that a client refuses answers that would be changed",
    file: exactAnswer,
    find: "return error === undefined ? Effect.succeed(response) : Effect.fail(error)",
    replace: "return error === undefined ? Effect.succeed(response) : Effect.succeed(response)",
    tests: exact
  },
  {
    name: "that a client refuses lines that would be changed",
    file: exactAnswer,
    find: "checkLines(response, (line) => line)",
    replace: 'checkLines(response, () => "")',
    tests: exact
  },
  {
    name: "that a client refuses events that would be changed",
    file: exactAnswer,
    find: '.exec(line)?.[1] ?? "")',
    replace: '.exec(line)?.[2] ?? "")',
    tests: exact
  },
  {
    name: "that a message of an agent over HTTP is kept exactly",
    file: "src/mcp/routes.ts",
    find: 'if (request.method !== "POST") return undefined',
    replace: 'if (request.method === "POST") return undefined',
    tests: exact
  },
  {
    name: "that a message of an agent over pipes is kept exactly",
    file: "src/mcp/stdio.ts",
    find: "if (inexact !== undefined) return",
    replace: "if (inexact === null) return",
    tests: exact
  },
  {
    name: "that an ambiguous id is not answered",
    file: "src/mcp/protocol.ts",
    find: 'parsed.failure.pointer !== "/id" && ',
    replace: "",
    tests: exact
  },
  {
    name: "that a line of beads is kept exactly",
    file: "src/import/readBeads.ts",
    find: "const parsed = parseExactJson(line)",
    replace:
      'const parsed = Result.try(() => JSON.parse(line) as unknown).pipe(Result.mapError(() => ({ at: 1, pointer: "", problem: "" })))',
    tests: exact
  },
  {
    name: "that a line of an exported log is kept exactly",
    file: "src/events/LogFile.ts",
    find: "Result.mapError(parseExactJson(text), (problem) =>",
    replace:
      'Result.mapError(Result.try(() => JSON.parse(text) as unknown).pipe(Result.mapError(() => ({ at: 1, pointer: "", problem: "" }))), (problem) =>',
    tests: exact
  },
  {
    name: "that the id and the secret of a token count without what is around them",
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

/** The board and what it reads: see docs/decisions/0057-observations.md and 0058-own-origin.md. */
const guard = "src/http/access/guard.ts"
const caller = "src/http/Caller.ts"
const page = "src/http/boardPage.ts"
const observations = "src/services/audit/Observations.ts"
const migration = "migrations/0015_observations.sql"

const board = ["test/http/board.test.ts"]
const lists = ["test/services/observations.test.ts"]
const overHttp = ["test/http/observations.test.ts"]

export const boardMutations = [
  {
    name: "the end of a dialog closes no other one",
    file: "src/board/shell/dialogs.ts",
    find: "if (openDialog.peek() === dialog) openDialog.value = undefined",
    replace: "openDialog.value = undefined",
    tests: ["test/board/browser/forms.test.ts"]
  },
  {
    name: "a page of the server may only read",
    file: guard,
    find: "isOwnPage && !ownPagesMayWrite",
    replace: "false",
    tests: board
  },
  {
    name: "a page of the server may write where the server allows it",
    file: guard,
    find: "isOwnPage && !ownPagesMayWrite",
    replace: "isOwnPage",
    tests: board
  },
  {
    name: "a program is no page of the server",
    file: guard,
    find: 'origin === undefined ? headers["sec-fetch-site"] === "same-origin" : !isOther',
    replace: "!isOther",
    tests: board
  },
  {
    name: "a page of the server is recognized by its reads",
    file: guard,
    find: 'origin === undefined ? headers["sec-fetch-site"] === "same-origin" : !isOther',
    replace: "origin !== undefined && !isOther",
    tests: board
  },
  {
    name: "a page that may only read is refused commands",
    file: caller,
    find: "&& !(readsOnly && changesBacklog(endpoint))",
    replace: "",
    tests: board
  },
  {
    name: "a page that may only read may verify",
    file: "src/http/access/policy.ts",
    find: 'new Set(["verify"])',
    replace: "new Set([])",
    tests: board
  },
  {
    name: "a page that may only read is no agent",
    file: "src/mcp/Agent.ts",
    find: "if (caller.readsOnly) return yield* new Forbidden({ problem: ownPageRefusal })",
    replace: "",
    tests: board
  },
  {
    name: "the board needs no token",
    file: "src/http/server.ts",
    find: "(path) => open.has(path) || isBoardPath(path)",
    replace: "(path) => open.has(path)",
    tests: board
  },
  {
    name: "text becomes no HTML in the board",
    file: page,
    find: `"require-trusted-types-for 'script'",`,
    replace: "",
    tests: board
  },
  {
    name: "only built files are served",
    file: page,
    find: "if (contentType === undefined) return []",
    replace: "",
    tests: board
  },
  {
    name: "a client that refuses gzip gets none",
    file: page,
    find: "!parameters.some((parameter) => /^q=0(?:\\.0*)?$/.test(parameter))",
    replace: "true",
    tests: board
  },
  {
    name: "a failure to record does not fail the read",
    file: observations,
    find: "Effect.catch(Effect.asVoid(recorded), (error) =>",
    replace: "Effect.tapError(Effect.asVoid(recorded), (error) =>",
    tests: lists
  },
  {
    name: "an anchor in a transaction is not recorded",
    file: observations,
    find: 'open._tag === "Some"',
    replace: "false",
    tests: lists
  },
  {
    name: "the same anchor again is the same entry",
    file: migration,
    find: "  IF FOUND THEN",
    replace: "  IF false THEN",
    tests: lists
  },
  {
    name: "the last 1,000 verifications are kept",
    file: migration,
    find: "  DELETE FROM verifications WHERE number <= last - 1000;\n",
    replace: "",
    tests: lists
  },
  {
    name: "an unlisted anchor divergence is not a match",
    file: "src/projections/verify.ts",
    find: '!divergences.hasFound("anchor")',
    replace: "true",
    tests: lists
  },
  {
    name: "a read of the end of the log is not an anchor",
    file: "src/http/operations.ts",
    find: "audit.anchor({ record: false })",
    replace: "audit.anchor()",
    tests: overHttp
  },
  {
    name: "a token names the actor of a verification",
    file: "src/http/auditHandlers.ts",
    find: "actor: caller.actor ?? payload.actor",
    replace: "actor: payload.actor",
    tests: overHttp
  },
  {
    name: "a verification sends its first progress before it waits for the tables",
    file: "src/services/AuditService.ts",
    find: "yield* options.onProgress?.(0, (head?.position ?? 0) * 2) ?? Effect.void",
    replace: "",
    tests: overHttp
  },
  {
    name: "a session that holds the list does not delay a verification for long",
    file: migration,
    find: "new_anchor_matched boolean, new_actor text, override timestamptz\n) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$",
    replace:
      "new_anchor_matched boolean, new_actor text, override timestamptz\n) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$",
    tests: overHttp
  }
]

import { afterAll, assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { inject } from "vitest"
import { cli, onServer, sql } from "../cli/support.ts"
import { run } from "./support/securedServer.ts"
import { serving } from "./support/serving.ts"

const read = (name: string): string => readFileSync(join(import.meta.dirname, "..", "..", "docs", name), "utf8")

/** Lines of the shell in a page. */
const linesOf = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) => block.trimEnd().split("\n"))

/** Words of a line of the shell, with variables in their places. */
const wordsOf = (line: string, variables: ReadonlyMap<string, string>): ReadonlyArray<string> =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, verbatim, quoted = "", plain = ""]) =>
      verbatim ?? (quoted + plain).replace(/\$([A-Z]+)/g, (_, name: string) => variables.get(name) ?? "")
  )

describe.each(["security.md", "operations.md"])("the examples in docs/%s", (name) => {
  const place = onServer()
  const servers: Array<Awaited<ReturnType<typeof serving>>> = []
  afterAll(async () => {
    for (const server of servers) await server.end()
    await place.remove()
  })

  it("do what they say", async () => {
    const variables = new Map<string, string>()
    const lines = linesOf(read(name))
    assert.isAbove(lines.length, 4)
    for (const line of lines) {
      const [, variable, inner] = /^([A-Z]+)=\$\((.*)\)$/.exec(line) ?? []
      const [program, ...argv] = wordsOf(inner ?? line, variables)
      if (program === "backlog" && argv[0] === "serve") {
        servers.push(await serving([...argv.slice(1), ...place.flags]))
      } else if (program === "backlog") {
        const ran = await cli([...argv, ...place.flags])
        // The doctor may find that the tests connect as a superuser.
        assert.include(argv[0] === "doctor" ? [0, 1] : [0], ran.code, `${line}\n${ran.stderr}`)
        if (variable !== undefined) variables.set(variable, ran.stdout.split("\n")[0] ?? "")
      } else if (program === "curl") {
        const url = new URL(argv.find((word) => word.startsWith("http://")) ?? "")
        const after = (flag: string): string | undefined => argv[argv.indexOf(flag) + 1 || argv.length]
        const [header, value] = after("-H")?.split(": ") ?? []
        const body = after("-d")
        const response = await fetch(
          `http://127.0.0.1:${new URL(servers.at(-1)?.url ?? "").port}${url.pathname}${url.search}`,
          {
            method: body === undefined ? "GET" : "POST",
            headers: {
              ...(header === undefined ? {} : { [header]: value ?? "" }),
              ...(body === undefined ? {} : { "content-type": "application/json" })
            },
            ...(body === undefined ? {} : { body })
          }
        )
        assert.include([200, 204], response.status, `${line}\n${await response.text()}`)
      } else {
        assert.fail(`nobody runs this line of ${name}: ${line}`)
      }
    }
  })
})

describe("the program in docs/security.md", () => {
  it("is the one that is run here, but for where it imports from", () => {
    const program = readFileSync(join(import.meta.dirname, "support", "securedServer.ts"), "utf8")
      .replaceAll("../../../src/http/index.ts", "mosaic-backlog/http")
      .replaceAll("../../../src/index.ts", "mosaic-backlog")
    assert.include(read("security.md"), `\`\`\`ts\n${program}\`\`\`\n`)
  })

  it("serves nobody without a token", async () => {
    // It uses the schema that is used when none is named: in a database of its own.
    const database = `docs_${randomBytes(6).toString("hex")}`
    await sql((client) => client.unsafe(`CREATE DATABASE ${database}`))
    const url = new URL(inject("postgresUrl"))
    url.pathname = database
    await run(url.href).then(
      () => assert.fail("it serves"),
      (error: Error) => assert.match(error.message, /there is none yet: make one with `backlog token create`/)
    )
    await sql((client) => client.unsafe(`DROP DATABASE ${database} WITH (FORCE)`))
  })
})

describe("the metrics in docs/operations.md", () => {
  it("are those that a server has", async () => {
    const place = onServer()
    const server = await serving(place.flags)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    await server.end()
    await place.remove()
    const documented = new Set(
      read("operations.md")
        .match(/`(?:backlog|process)_[a-z_]+/g)
        ?.map((each) => each.slice(1))
    )
    for (const [, found = ""] of metrics.matchAll(/^# TYPE (\S+)/gm)) assert.include([...documented], found)
  })
})

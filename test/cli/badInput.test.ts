import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { connect, createServer, type Server } from "node:net"
import { join } from "node:path"
import { inject } from "vitest"
import { evil, prepared, refusedAtOnce, refusedInside, refuses } from "./badInputs.ts"
import { cli, documentIn, json, onServer, sql, temporaryDirectory } from "./support.ts"

describe("invalid input", () => {
  it.each(refusedAtOnce)("invalid input is refused before a database is opened: $why", (bad) =>
    // No server listens there, so opening the database would exit with 6.
    refuses(
      bad,
      bad.argv.some((word) => word.startsWith("--db") || word.startsWith("--schema"))
        ? []
        : ["--db", "postgres://u:secret@127.0.0.1:1/d"]
    )
  )

  describe("on a server", () => {
    const place = onServer()
    beforeAll(() => prepared(place))
    afterAll(() => place.remove())
    const events = () => sql((client) => client`SELECT count(*)::float8 AS n FROM ${client(`${place.schema}.events`)}`)

    it.each(refusedInside)("invalid input is refused and nothing is written: $why", async (bad) => {
      await refuses(bad, place.flags)
      assert.deepStrictEqual(await events(), [{ n: 4 }])
    })

    it("SQL in any field is stored as text", async () => {
      const text = (flag: string) => [`--${flag}`, evil]
      const texts = ["id", "title", "body", "phase", "idempotency-key", "actor"].flatMap(text)
      const others = ["--depends-on", evil.slice(1), "--acceptance", JSON.stringify({ [evil]: evil })]
      const card = await json([...place.flags, "create", ...texts, ...others])
      assert.strictEqual(card.code, 0)
      const shown = await json([...place.flags, "show", evil])
      assert.deepStrictEqual(shown.data, card.data)
      assert.deepStrictEqual([shown.data.id, shown.data.title, shown.data.phase], [evil, evil, evil])
      assert.deepStrictEqual((await json([...place.flags, "list", ...text("phase")])).data, [card.data])
      assert.strictEqual((await json([...place.flags, "block", evil, ...text("reason")])).data.blockedReason, evil)
      assert.strictEqual((await json([...place.flags, "claim", "a", ...text("owner")])).data.claimOwner, evil)
    })
  })
})

describe("an unavailable database", () => {
  let silent: Server
  let directory: string
  beforeAll(async () => {
    silent = createServer(() => {}).listen(0, "127.0.0.1")
    directory = await temporaryDirectory()
  })
  afterAll(() => {
    silent.close()
  })

  const unavailable = async (argv: ReadonlyArray<string>, tag: string, says: string, env = {}) => {
    const ran = await cli(["--json", ...argv], { env })
    const { error } = documentIn(ran.stdout)
    assert.deepStrictEqual([ran.code, error?._tag], [6, tag], ran.stdout)
    assert.include(error.message, says)
    assert.notInclude(ran.stdout + ran.stderr, "secret")
  }

  it("an unreachable server is named without its password", async () => {
    const url = "postgres://me:secret@127.0.0.1:1/work"
    await unavailable(["list", "--db", url], "DatabaseUnavailable", "127.0.0.1:1")
    await unavailable(["claim", "--owner", "w"], "DatabaseUnavailable", "127.0.0.1:1", { BACKLOG_DATABASE_URL: url })
    await unavailable(["migrate"], "DatabaseUnavailable", "127.0.0.1:1", { DATABASE_URL: url })
  })

  it("the connection times out within seconds if the server never responds", async () => {
    const address = silent.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const began = performance.now()
    await unavailable(
      ["list", "--db", `postgres://me:secret@127.0.0.1:${port}/work`],
      "DatabaseUnavailable",
      String(port)
    )
    assert.isBelow(performance.now() - began, 8000)
  })

  it("the error names an unknown database", async () => {
    const url = new URL(inject("postgresUrl"))
    url.pathname = "/no_such_database"
    await unavailable(["list", "--db", url.href], "DatabaseUnavailable", "no_such_database")
  })

  it("a server that is too old is refused", async () => {
    const [server] = await sql(
      (client) => client<{ readonly number: string; readonly name: string }>`
        SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS name`
    )
    const { name = "", number = "" } = server ?? {}
    const url = new URL(inject("postgresUrl"))
    const port = Number(url.port)
    // A proxy that reports Postgres 14.
    const disguised = createServer((socket) => {
      const upstream = connect(port, url.hostname)
      socket.pipe(upstream)
      upstream.on("data", (chunk) => {
        const text = chunk.toString("latin1").replaceAll(number, "140011").replaceAll(name, "14.1".padEnd(name.length))
        socket.write(Buffer.from(text, "latin1"))
      })
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket]
      ] as const) {
        one.on("error", () => other.destroy()).on("close", () => other.destroy())
      }
    }).listen(0, "127.0.0.1")
    await once(disguised, "listening")
    const address = disguised.address()
    url.port = String(typeof address === "object" && address !== null ? address.port : 0)
    await unavailable(["list", "--db", url.href], "MigrationRefused", "the server is Postgres 14.1")
    disguised.close()
  })

  it("a schema of a newer program is refused", async () => {
    const place = onServer()
    assert.strictEqual((await cli(["migrate", ...place.flags])).code, 0)
    await sql(
      (client) =>
        client`INSERT INTO ${client(`${place.schema}.migrations`)} (id, name, checksum) VALUES (99, 'later', '')`
    )
    await unavailable(["list", ...place.flags], "MigrationRefused", "newer version")
    await place.remove()
  })

  it("a file, a foreign directory and an unwritable path are refused", async () => {
    const file = join(directory, "file")
    await writeFile(file, "")
    await unavailable(["list", "--db", file], "DirectoryUnusable", file)
    const other = join(directory, "other")
    await mkdir(other)
    await writeFile(join(other, "README"), "")
    await unavailable(["list", "--db", other], "DirectoryUnusable", other)
    // No user can create a directory there, not even root.
    await unavailable(["migrate", "--db", "/proc/backlog"], "DirectoryUnusable", "/proc/backlog")
  })
})

import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer, sql } from "./support.ts"

describe("positions and names on the command line", () => {
  const place = onServer()
  beforeAll(async () => {
    for (const id of ["a", "b"]) {
      const { code, stderr } = await cli(["create", "--id", id, "--title", "T", ...place.flags])
      assert.strictEqual(code, 0, stderr)
    }
  })
  afterAll(() => place.remove())

  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])

  it("a position beyond the end of the log is refused, but not the end itself", async () => {
    for (const argv of [
      ["events", "--after", "3"],
      ["events", "--after", "3", "--follow"],
      ["list", "--at", "3"],
      ["stats", "--at", "3"],
      ["show", "a", "--at", "3"],
      ["explain", "a", "--at", "3"]
    ]) {
      const { stdout, stderr, code } = await cli(["--json", ...argv, ...place.flags])
      const document = JSON.parse(stdout === "" ? stderr : stdout) as { error: { _tag: string; message: string } }
      assert.deepStrictEqual(
        [code, document.error._tag, document.error.message],
        [4, "MomentNotReached", "There is no position 3 yet: the log ends at 2."],
        argv.join(" ")
      )
    }
    assert.deepStrictEqual((await run("events", "--after", "2")).data, [])
  })

  it("a checkpoint beyond the end is shown, reported by doctor, and moved back with --reset-to", async () => {
    await sql(
      (client) => client`INSERT INTO ${client(`${place.schema}.checkpoints`)} (consumer, position, updated_at)
        VALUES ('mailer', 9, now()), ('other', 1, now())`
    )
    const [mailer, other] = (await run("consumers")).data
    assert.deepInclude(mailer, { consumer: "mailer", position: 9, behind: 0, ahead: 7 })
    assert.deepInclude(other, { consumer: "other", behind: 1, ahead: 0 })
    assert.match((await cli(["consumers", ...place.flags])).stdout, /mailer +9 +beyond by 7/)
    assert.match((await cli(["consumers", "mailer", ...place.flags])).stdout, /7 beyond the end of the log/)

    const doctor = await run("doctor")
    assert.strictEqual(doctor.code, 1)
    const finding = (doctor.data.findings as ReadonlyArray<Record<string, string>>).find(
      ({ check, level }) => check === "consumers" && level === "problem"
    )
    assert.match(finding?.["what"] ?? "", /"mailer" is 7 positions beyond the end of the log/)
    assert.match(finding?.["toDo"] ?? "", /backlog consumers mailer --reset-to 2/)

    for (const [code, ...argv] of [
      [2, "consumers", "--reset-to", "2"],
      [2, "consumers", "mailer", "--reset-to", "2", "--unpark", "1"],
      [2, "consumers", "other", "--reset-to", "0"],
      // This would skip an event.
      [2, "consumers", "other", "--reset-to", "2"],
      [4, "consumers", "nobody", "--reset-to", "1"],
      [4, "consumers", "mailer", "--reset-to", "3"]
    ] as ReadonlyArray<readonly [number, ...ReadonlyArray<string>]>) {
      assert.strictEqual((await run(...argv)).code, code, argv.join(" "))
    }
    const reset = await run("consumers", "mailer", "--reset-to", "1")
    assert.deepInclude(reset.data, { position: 1, behind: 1, ahead: 0, resetFrom: 9 })
    assert.strictEqual((await run("consumers", "mailer")).data.position, 1)
  })

  it("an unknown name is refused with the known names", async () => {
    const type = await run("events", "--type", "CardCretaed")
    assert.strictEqual(type.code, 2)
    assert.match(type.error.message, /Did you mean "CardCreated"\? The types are CardCreated, .*CardRedacted/)
    for (const argv of [
      ["list", "--status", "redy"],
      ["redact", "a", "--part", "bdy", "--reason", "r"]
    ]) {
      assert.strictEqual((await run(...argv)).code, 2, argv.join(" "))
    }
    assert.strictEqual((await run("events", "--type", "CardCreated")).data.length, 2)
  })
})

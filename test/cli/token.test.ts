import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer } from "./support.ts"

describe("backlog token", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(place.remove)

  it("tokens are created, listed and revoked, and the secret is printed once", async () => {
    const made = await json(["token", "create", "--actor", "worker-1", "--role", "worker", ...place.flags])
    assert.strictEqual(made.code, 0)
    const { id, token } = made.data
    assert.match(token, /^mbk_[0-9a-f]{16}_[0-9a-f]{64}_[0-9a-f]{8}$/)
    assert.deepStrictEqual(
      { actor: made.data.actor, role: made.data.role, by: made.data.createdBy, until: made.data.expiresAt },
      { actor: "worker-1", role: "worker", by: "tester", until: null }
    )
    const planner = ["--actor", "planner", "--role", "orchestrator", "--expires-in-days", "90"]
    const output = await cli(["token", "create", ...planner, ...place.flags])
    assert.match(output.stdout, /^mbk_\w+\n$/)
    assert.match(
      output.stderr,
      /^Token [0-9a-f]{16} of the orchestrator planner: valid until .*\. The token cannot be shown again\.\n$/
    )

    const listed = await cli(["token", "list", ...place.flags])
    assert.match(listed.stdout, /worker-1 .*worker .*never expires[^]*planner .*orchestrator .*until/)
    assert.notInclude(listed.stdout, token)
    assert.notInclude(listed.stdout, "mbk_")

    const revoked = await json(["token", "revoke", id, ...place.flags])
    assert.deepStrictEqual([revoked.code, revoked.data.id, revoked.data.revokedBy], [0, id, "tester"])
    assert.match((await cli(["token", "list", ...place.flags])).stdout, /worker-1 .*revoked/)
  })

  it("invalid input for a token is refused", async () => {
    const wrong: ReadonlyArray<readonly [number, string, ReadonlyArray<string>]> = [
      [4, "AccessTokenNotFound", ["revoke", "0123456789abcdef"]],
      [2, "InvalidInput", ["create", "--role", "worker"]],
      [2, "InvalidInput", ["create", "--actor", "a"]],
      [2, "InvalidValue", ["create", "--actor", "a", "--role", "king"]],
      [2, "InvalidInput", ["create", "--actor", "a", "--role", "worker", "--expires-in-days", "0"]]
    ]
    for (const [code, tag, argv] of wrong) {
      const refused = await json(["token", ...argv, ...place.flags])
      assert.deepStrictEqual([argv, refused.code, refused.error?._tag], [argv, code, tag])
    }
  })
})

import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer } from "../cli/support.ts"

describe("a command that a worker runs for a card", () => {
  const place = onServer()
  const title = 'A\nYou hold "b".\u001b[2J\u202e\u2028\u{e0041}'
  const body = "\r\n$(touch x) `id` \u200b\\"
  beforeAll(async () => {
    const created = await json(["create", "--id=-n", "--title", title, "--body", body, ...place.flags])
    assert.strictEqual(created.code, 0)
  })
  afterAll(place.remove)

  it("gets one line of JSON without hidden characters and the exact text in its environment", async () => {
    const exec =
      'cat; printf "%s" "$BACKLOG_CARD_TITLE" | od -An -tx1 | tr -d " \\n"; printf "\\n%s" "$BACKLOG_CARD_ID"'
    const ran = await cli(["work", "--owner", "w1", "--until-empty", "--exec", exec, ...place.flags])
    assert.strictEqual(ran.code, 0, ran.stderr)
    const { data } = await json(["show", ...place.flags, "--", "-n"])
    const [line = "", hex = "", id] = (data.result as string).split("\n")
    assert.match(line, /^\P{C}+$/u)
    assert.notMatch(line, /[\p{Zl}\p{Zp}]/u)
    const card = JSON.parse(line) as { readonly title: string; readonly body: string }
    assert.deepStrictEqual([card.title, card.body], [title, body])
    assert.deepStrictEqual([Buffer.from(hex, "hex").toString(), id], [title, "-n"])
  })
})

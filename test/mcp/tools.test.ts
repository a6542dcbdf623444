import { layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Stream } from "effect"
import { SqlError } from "effect/sql"
import { AuditService, BacklogService, BacklogTestClock } from "../../src/index.ts"
import { toRefusal } from "../../src/mcp/refusal.ts"
import { releaseOnInterrupt } from "../../src/mcp/tools/claims.ts"
import { connectAgent, type ToolResult } from "./support/agents.ts"
import { eventsOf, freshBacklog, postgresClient } from "../support/backlogs.ts"
import { verifyBacklog } from "../support/verifyBacklog.ts"
import { expect } from "vitest"

const planner = connectAgent("orchestrator", "planner")

/** The tests share a backlog. Each uses its own phase. */
const cards = (phase: string, ...made: ReadonlyArray<{ readonly id: string; readonly [key: string]: unknown }>) =>
  Effect.flatMap(planner, ({ call }) =>
    call("create", { cards: made.map((card) => ({ title: `Do ${card.id}`, phase, ...card })) })
  )

const typesOf = (id: string) => Effect.map(eventsOf(id), (events) => events.map(({ type }) => type))

layer(Layer.provideMerge(freshBacklog, postgresClient(10)), { timeout: "60 seconds", excludeTestServices: true })(
  "tools for agents",
  (it) => {
    it.effect("take a card from creation to completion, and each result names the next step", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        const made = yield* cards(
          "life",
          { id: "design", body: "Draw it.", priority: 5, acceptance: { drawings: 2 } },
          { id: "build", dependsOn: ["design", "desing"] }
        )
        expect(made).toMatchObject({ isError: false, data: { created: ["design", "build"], missing: ["desing"] } })
        expect(made.text).toContain('They depend on cards that do not exist: "desing".')
        yield* (yield* planner).call("revise", { id: "build", removeDependsOn: ["desing"], priority: 3, body: "Soon." })
        yield* (yield* planner).call("revise", { id: "build", title: null, clear: ["body"] })

        const claimed = yield* w1.call("claim", { phase: "life", id: null, limit: null, commandId: null })
        expect(claimed.data.claimed).toEqual([
          {
            id: "design",
            title: "Do design",
            status: "claimed",
            priority: 5,
            phase: "life",
            owner: "w1",
            expiresAt: "2026-01-01T00:15:00Z",
            token: 2,
            body: "Draw it.",
            acceptance: { drawings: 2 }
          }
        ])
        expect(claimed.text).toBe(
          [
            'You hold "design" with token 2, for 900 seconds.',
            '"design": "Do design" · claimed by "w1" until 2026-01-01T00:15:00Z · priority 5 · phase "life"',
            "body:",
            "| Draw it.",
            "acceptance:",
            '| {"drawings":2}',
            "Renew a claim before it expires; complete or release the card with its token."
          ].join("\n")
        )
        const none = yield* w1.call("claim", { phase: "life" })
        expect(none).toMatchObject({
          isError: false,
          data: { claimed: [], why: { reason: "Claimed", comeBackAt: "2026-01-01T00:15:00Z" } }
        })
        expect(none.text).toContain('"design" becomes claimable at 2026-01-01T00:15:00Z unless "w1" renews the claim.')
        expect(none.text).toContain('"build" has the fewest unmet dependencies: "design" (claimed).')

        expect(yield* w1.call("renew", { id: "design", token: 2, ttlSeconds: 60 })).toMatchObject({
          text: 'You hold "design" for 60 more seconds until 2026-01-01T00:01:00Z; the token is still 2.',
          data: { token: 2, expiresAt: "2026-01-01T00:01:00Z" }
        })
        const done = yield* w1.call("complete", {
          id: "design",
          token: 2,
          result: { commit: "8c1f0e2", notes: null },
          claimNext: true,
          phase: "life"
        })
        expect(done.text).toContain('"design" is done.\nNow claimable: "build".\nYou hold "build" with token 5')
        expect(done.data).toMatchObject({ madeClaimable: ["build"], claimed: [{ id: "build", token: 5 }] })

        expect((yield* w1.call("block", { id: "build", token: 5, reason: "no key" })).text).toBe(
          '"build" is blocked; you no longer hold it.'
        )
        expect((yield* w1.call("show", { id: "build" })).text).toContain('It is blocked: "no key"')
        expect((yield* w1.call("claim", { phase: "life" })).text).toContain(
          "There is no work until cards are unblocked or created."
        )
        const boss = yield* planner
        expect((yield* boss.call("set_status", { id: "build", status: "ready" })).data.status).toBe("ready")
        expect((yield* boss.call("set_status", { id: "design", status: "ready", reason: "again" })).data.status).toBe(
          "ready"
        )
        const again = yield* boss.call("claim", { id: "design" })
        expect(again.data.claimed[0]).toMatchObject({ attempts: 2, owner: "planner" })
        expect((yield* boss.call("set_status", { id: "design", status: "ready" })).data.owner).toBeUndefined()
        const history = yield* boss.call("show", { id: "design", part: "history" })
        expect(history.data.events.map(({ type }: { readonly type: string }) => type)).toEqual([
          "CardCreated",
          "CardClaimed",
          "ClaimRenewed",
          "CardCompleted",
          "CardReopened",
          "CardClaimed",
          "CardReclaimed"
        ])
        expect(history.data).not.toHaveProperty("next")
        const rest = yield* boss.call("show", { id: "design", part: "history", from: 6 })
        expect(rest.data.events.map(({ type }: { readonly type: string }) => type)).toEqual(["CardReclaimed"])
        const { body, result } = Option.getOrThrow(yield* (yield* BacklogService).get("build"))
        const design = Option.getOrThrow(yield* (yield* BacklogService).get("design"))
        expect([body, result, design.body]).toEqual([null, null, "Draw it."])
        expect(history.data.events[3].data).toMatch(/"result":\{[^}]*"notes":null/)
        expect(yield* typesOf("build")).toEqual([
          "CardCreated",
          "CardUnlinked",
          "CardRevised",
          "CardRevised",
          "CardClaimed",
          "CardBlocked",
          "CardUnblocked"
        ])
        yield* verifyBacklog
      })
    )

    it.effect("pass findings on to the next holder of a card", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        const w2 = yield* connectAgent("worker", "w2")
        yield* cards("notes", { id: "n1", labels: ["rust", "slow"] }, { id: "n2" })
        const none = yield* w1.call("claim", { phase: "notes", labels: ["go"] })
        expect(none.data).toMatchObject({ claimed: [], why: { reason: "NoneChosen" } })
        const claimed = yield* w1.call("claim", { phase: "notes", labels: ["rust"] })
        expect(claimed.data.claimed).toMatchObject([{ id: "n1", token: 2, labels: ["rust", "slow"] }])
        expect(claimed.text).toContain('labels "rust", "slow"')
        yield* w1.call("note", { id: "n1", token: 2, text: "The port is taken.\n| Not this." })
        expect((yield* w1.call("renew", { id: "n1", token: 2, note: "Trying another port." })).isError).toBe(false)
        expect((yield* w2.call("note", { id: "n1", token: 2, text: "mine" })).text).toContain("No claim of yours")
        yield* w1.call("release", { id: "n1", token: 2 })
        const lost = yield* w1.call("note", { id: "n1", token: 2, text: "late" })
        expect(lost.isError).toBe(true)

        const again = yield* w2.call("claim", { id: "n1" })
        expect(again.text).toContain('Note by "w1" at 2026-01-01T00:00:00Z:\n| Trying another port.\nNote by "w1"')
        expect(again.text).toContain("| The port is taken.\n| | Not this.")
        expect(again.data.claimed[0]).toMatchObject({
          noteCount: 2,
          notes: [{ text: "Trying another port." }, { text: "The port is taken.\n| Not this." }]
        })
        const all = yield* w2.call("show", { id: "n1", part: "notes" })
        expect(all.data.notes.map(({ actor }: { readonly actor: string }) => actor)).toEqual(["w1", "w1"])
        const rest = yield* w2.call("show", { id: "n1", part: "notes", from: all.data.notes[0].version })
        expect(rest.data.notes).toMatchObject([{ text: "The port is taken.\n| Not this." }])

        const found = yield* w2.call("list", { phase: "notes", text: "do n1", owner: "w2" })
        expect(found.data.cards).toMatchObject([{ id: "n1" }])
        const made = yield* (yield* planner).call("create", {
          cards: [{ title: "Without an id", phase: "notes", notBefore: "2026-01-01T01:00:00+00:30" }]
        })
        const [id] = made.data.created
        expect(id).toMatch(/^[2-9a-z]{8}$/)
        expect((yield* w2.call("show", { id })).text).toContain("2026-01-01T00:30:00Z")
        yield* (yield* planner).call("revise", { id, clear: ["notBefore"], addLabels: ["go"] })
        expect((yield* w1.call("claim", { phase: "notes", labels: ["go"] })).data.claimed).toMatchObject([{ id }])
        const wrong = yield* (yield* planner).call("revise", { id, notBefore: "tomorrow" })
        expect(wrong.text).toContain("Expected a time with a zone")
        yield* verifyBacklog
      })
    )

    it.effect("explain each refusal and what to do instead", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        const w3 = yield* connectAgent("worker", "w3")
        const boss = yield* planner
        yield* cards("refusals", { id: "r1" }, { id: "r2", dependsOn: ["r1"] })
        yield* w1.call("claim", { id: "r1", ttlSeconds: 10 })
        yield* (yield* BacklogTestClock).advance("11 seconds")
        yield* w3.call("claim", { id: "r1", ttlSeconds: 240 })

        const refusals: ReadonlyArray<readonly [Effect.Effect<{ isError: boolean; text: string }>, string]> = [
          [
            w1.call("complete", { id: "r1", token: 2 }),
            'The claim with token 2 on card "r1" is lost: held by "w3" until 2026-01-01T00:04:11Z. Stop working on it, and claim another card with backlog_claim.'
          ],
          [w1.call("renew", { id: "r1", token: 4 }), 'No claim of yours on card "r1" has the token 4.'],
          [w1.call("release", { id: "r1", token: 4 }), "backlog_show returns the current state of the card."],
          [w1.call("block", { id: "r1", token: 4, reason: "mine" }), "No claim of yours"],
          [w1.call("complete", { id: "r1", token: 4, force: true }), 'Expected no excess property\n|   at ["force"]'],
          [w1.call("complete", { id: "r1" }), 'Missing key\n|   at ["token"]'],
          [w3.call("renew", { id: "r1", token: 3 }), "No claim of yours"],
          [
            boss.call("complete", { id: "r1" }),
            'Card "r1" is held by "w3" until 2026-01-01T00:04:11Z. Pass the claim\'s token, or force: true to override the holder.'
          ],
          [w1.call("show", { id: "nothing" }), 'There is no card "nothing". backlog_list lists the cards.'],
          [w1.call("claim", { id: "nothing" }), 'There is no card "nothing".'],
          [boss.call("create", { cards: [{ id: "r1", title: "Again" }] }), "Nothing was created."],
          [boss.call("revise", { id: "r1", addDependsOn: ["r2"] }), "closes the cycle"],
          [boss.call("revise", { id: "r1", title: "New", addDependsOn: ["nothing"] }), "Create it first."],
          // The revision is atomic: r2 still depends on r1.
          [boss.call("revise", { id: "r2", removeDependsOn: ["r1"], addDependsOn: ["nothing"] }), "Create it first."],
          [boss.call("revise", { id: "r1", body: "new", clear: ["body"] }), "body is in clear, and it has a value"],
          [boss.call("revise", { id: "r1", clear: ["title"] }), 'at ["clear"][0]'],
          [boss.call("create", { cards: [{ id: null, title: null }] }), 'Missing key\n|   at ["cards"][0]["title"]'],
          [boss.call("revise", { id: "r1", body: null }), "no change is given"],
          [
            boss.call("create", { cards: [{ id: " r", title: "" }] }),
            'must not begin or end with white space\n|   at ["cards"][0]["id"]'
          ],
          [w1.call("claim", { phase: 7 }), 'at ["phase"]'],
          [w1.call("claim", { owner: "w3" }), 'Expected no excess property\n|   at ["owner"]'],
          [w1.call("claim", { waitSeconds: 51 }), 'Expected 0 to 50\n|   at ["waitSeconds"]'],
          [w1.call("claim", { limit: 0 }), 'at ["limit"]'],
          [w1.call("claim", { id: "r2", limit: 2 }), "waitSeconds and limit cannot be combined with id"],
          [w1.call("claim", { ttlSeconds: 0 }), 'at ["ttlSeconds"]'],
          [w1.call("complete", { id: "r1", token: 2, phase: "x" }), 'at ["claimNext"]'],
          [w1.call("list", { limit: 101 }), 'Expected 1 to 100\n|   at ["limit"]'],
          [w1.call("list", { after: "nothing" }), 'There is no card "nothing".'],
          [w1.call("show", { from: 3 }), 'at ["part"]']
        ]
        for (const [call, expected] of refusals) {
          const { isError, text } = yield* call
          expect([isError, text]).toEqual([true, expect.stringContaining(expected)])
        }
        expect((yield* Effect.orDie((yield* BacklogService).get("r1"))).pipe(Option.map(({ title }) => title))).toEqual(
          Option.some("Do r1")
        )
        expect(yield* w1.call("claim", { id: "r1" })).toMatchObject({
          isError: false,
          text: 'Card "r1" cannot be claimed.\nIt is held by "w3" until 2026-01-01T00:04:11Z.'
        })
        expect((yield* w3.call("claim", { id: "r1" })).text).toContain("You already hold it")
        expect((yield* w3.call("show", { id: "r1" })).text).toContain("You hold it with token 4.")
        expect((yield* w1.call("show", { id: "r1" })).data).not.toHaveProperty("token")
        // The caller's own other claim is shown, not the other agent's.
        yield* w3.call("release", { id: "r1", token: 4, reason: "hard", retryAfterSeconds: 3600 })
        expect((yield* w3.call("claim", { phase: "refusals" })).text).toContain('"r1" can be retried at')
        expect((yield* boss.call("complete", { id: "r1", force: true })).text).toContain('Now claimable: "r2".')
      })
    )

    it.effect("report that the database is unavailable and how to retry", () =>
      Effect.gen(function* () {
        const agent = { role: "worker", actor: "w", owner: "w" } as const
        const messageFor = (reason: SqlError.SqlErrorReason) =>
          Effect.map(Effect.flip(toRefusal(agent)(new SqlError.SqlError({ reason }))), ({ message }) => message)
        const cause = { code: "08006" }
        expect(yield* messageFor(new SqlError.ConnectionError({ cause }))).toMatch(
          /Call again in a few seconds.*commandId/
        )
        expect(yield* messageFor(new SqlError.AuthorizationError({ cause }))).toContain("no database permission")
        expect(yield* messageFor(new SqlError.SqlSyntaxError({ cause }))).toContain("error in the server")
      }).pipe(Effect.provide(Logger.layer([])))
    )

    it.effect("truncate long parts and return the rest on request", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        const body = `${"x".repeat(3999)}🙂${"y".repeat(20_000)}`
        const dependsOn = Array.from({ length: 25 }, (_, index) => `long-${String(index).padStart(2, "0")}`)
        yield* cards("long", { id: "long", body, acceptance: ["z".repeat(5000)], dependsOn })
        const shown = yield* w1.call("show", { id: "long" })
        expect(shown.data.body).toBe("x".repeat(3999))
        expect(shown.data.dependsOn).toHaveLength(20)
        expect(shown.data).not.toHaveProperty("acceptance")
        expect(shown.data.cut).toEqual([
          { part: "body", characters: body.length, from: 3999 },
          { part: "acceptance", characters: 5004, from: 0 },
          { part: "dependsOn", characters: JSON.stringify(dependsOn).length, from: 0 }
        ])
        expect(shown.text).toContain('read the rest with backlog_show id="long" part=body from=3999')
        expect(shown.text.length).toBeLessThan(6000)
        let read = shown.data.body as string
        for (let from: number | undefined = 3999; from !== undefined;) {
          const piece: ToolResult = yield* w1.call("show", { id: "long", part: "body", from })
          read += piece.data.text
          from = piece.data.next
        }
        expect(read).toBe(body)
        yield* cards("long", { id: "list", body: "[]", acceptance: [] })
        const list = yield* w1.call("show", { id: "list" })
        expect([list.data.body, list.data.acceptance, list.text]).toEqual([
          "[]",
          [],
          expect.stringContaining("\nbody:\n| []\nacceptance:\n| []\n")
        ])
        const whole = yield* w1.call("show", { id: "long", part: "dependsOn" })
        expect(JSON.parse(whole.data.text)).toEqual(dependsOn)
      })
    )

    it.effect("list cards in pages and show counts of the backlog", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("auditor", "eve")
        yield* cards("pages", { id: "p1", priority: 2 }, { id: "p2", priority: 1 }, { id: "p3", dependsOn: ["p1"] })
        const first = yield* w1.call("list", { phase: "pages", limit: 2 })
        expect(first.text).toBe(
          '"p1": "Do p1" · ready · priority 2 · phase "pages"\n"p2": "Do p2" · ready · priority 1 · phase "pages"\n[There are more: continue with after="p2"]'
        )
        const { after } = first.data
        expect((yield* w1.call("list", { phase: "pages", limit: 2, after })).data).toEqual({
          cards: [{ id: "p3", title: "Do p3", status: "ready", priority: 0, phase: "pages" }]
        })
        expect((yield* w1.call("list", { phase: "pages", claimable: true })).data.cards).toHaveLength(2)
        expect((yield* w1.call("list", { phase: "none" })).text).toBe("No card matches.")
        const { data, text } = yield* w1.call("show")
        expect(text).toMatch(/^\d+ cards: \d+ ready/)
        expect(data).toMatchObject({ counts: { ready: expect.any(Number) as number } })
      })
    )

    it.effect("advise to wait where a card waits for one that the claim's filter does not select", () =>
      Effect.gen(function* () {
        const tester = yield* connectAgent("worker", "tester")
        yield* cards("team", { id: "code" }, { id: "check", dependsOn: ["code"], labels: ["test"] })
        const none = yield* tester.call("claim", { phase: "team", labels: ["test"] })
        expect(none.text).toContain('"check" has the fewest unmet dependencies: "code" (ready).')
        expect(none.text).toContain("Call backlog_claim with waitSeconds to wait for a card.")
      })
    )

    it.effect("wait for a card until they are canceled", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        const waiting = yield* Effect.forkChild(w1.call("claim", { phase: "wait", waitSeconds: 50 }))
        yield* cards("wait", { id: "awaited" })
        expect((yield* Fiber.join(waiting)).data.claimed).toMatchObject([{ id: "awaited" }])

        const canceled = yield* Effect.forkChild(w1.call("claim", { phase: "wait", waitSeconds: 50 }))
        yield* w1.call("show")
        yield* Fiber.interrupt(canceled)
        // The waiter that has waited longest is woken first.
        const secondWaiter = yield* Effect.forkChild(w1.call("claim", { phase: "wait", waitSeconds: 50 }))
        yield* w1.call("show")
        yield* cards("wait", { id: "left" })
        expect((yield* Fiber.join(secondWaiter)).data.claimed).toMatchObject([{ id: "left" }])
      })
    )

    it.effect("release a card whose claim was canceled, unless the claim has a commandId", () =>
      Effect.gen(function* () {
        const backlog = yield* BacklogService
        const agent = { role: "worker", actor: "w1", owner: "w1" } as const
        yield* cards("cancel", { id: "c1" }, { id: "c2" })
        const canceledWhileClaiming = (id: string, commandId?: string) =>
          Effect.gen(function* () {
            const isClaimed = yield* Deferred.make<void>()
            const mayContinue = yield* Deferred.make<void>()
            const claim = Effect.tap(
              backlog.claim({ owner: "w1", id, actor: "w1", commandId }),
              Effect.andThen(Deferred.succeed(isClaimed, undefined), Deferred.await(mayContinue))
            )
            const fiber = yield* Effect.forkChild(releaseOnInterrupt(claim, Option.toArray, agent, commandId))
            yield* Deferred.await(isClaimed)
            const ending = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
            yield* Deferred.succeed(mayContinue, undefined)
            yield* Fiber.join(ending)
            expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
          })
        yield* canceledWhileClaiming("c1")
        expect(yield* typesOf("c1")).toEqual(["CardCreated", "CardClaimed", "CardReleased"])
        yield* canceledWhileClaiming("c2", "once")
        expect(yield* typesOf("c2")).toEqual(["CardCreated", "CardClaimed"])
      })
    )

    it.effect("execute a command with a commandId once", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "host-7", "w1")
        yield* cards("once", { id: "o1" }, { id: "o2" })
        const first = yield* w1.call("claim", { phase: "once", commandId: "mcp-1" })
        expect((yield* w1.call("claim", { phase: "once", commandId: "mcp-1" })).data).toEqual(first.data)
        expect((yield* w1.call("claim", { phase: "once", limit: 3 })).data.claimed).toHaveLength(1)
        expect((yield* w1.call("claim", { phase: "other", commandId: "mcp-1" })).text).toContain("different command")
        expect((yield* w1.call("claim", { phase: "once", commandId: "mcp-2" })).text).toContain("another commandId")
        const audit = yield* AuditService
        const events = yield* Stream.runCollect(audit.history("o1"))
        expect(events.map(({ actor, data, type }) => [type, actor, data["owner"]])).toEqual([
          ["CardCreated", "planner", undefined],
          ["CardClaimed", "host-7", "w1"]
        ])
      })
    )

    // This test is last because it changes every token of the backlog.
    it.effect("accept the tokens of a restored backlog", () =>
      Effect.gen(function* () {
        const w1 = yield* connectAgent("worker", "w1")
        yield* cards("restored", { id: "late" })
        const { generation } = yield* (yield* AuditService).restored({ actor: "ops" })
        const [held] = (yield* w1.call("claim", { id: "late" })).data.claimed
        expect(held.token).toBe(generation + 2)
        expect((yield* w1.call("complete", { id: "late", token: 2 })).isError).toBe(true)
        expect((yield* w1.call("complete", { id: "late", token: held.token })).data.completed?.status ?? "done").toBe(
          "done"
        )
      })
    )
  }
)

import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parseExactJson } from "../../src/domain/parseExactJson.ts"

const parsed = (text: string) => Result.getOrThrowWith(parseExactJson(text), (problem) => new Error(problem.problem))

describe("parseExactJson", () => {
  it.each([
    "null",
    " true ",
    '""',
    '"\\u00e9\\n\\"\\\\\\/"',
    "0",
    "-0",
    "0.1",
    "1.50",
    "100",
    "1e2",
    "1E+2",
    "123.456e-3",
    "0e99999999999",
    "0.000",
    "9007199254740991",
    "0.30000000000000004",
    "5e-324",
    "1.7976931348623157e308",
    "12345678901234567000",
    "[]",
    "[ ]",
    "{}",
    '[1,[2,{}],{"a":[]}]',
    '{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}',
    '{"__proto__":1,"constructor":2}',
    "\r\n\t[ 1 , 2 ]\n"
  ])("accepts %s", (text) => {
    assert.deepStrictEqual(parsed(text), JSON.parse(text))
  })

  it.each([
    ["12345678901234567890", 1],
    ["9007199254740993", 1],
    ["[1, 0.1000000000000000055511151231257827]", 5],
    ["1e400", 1],
    ["-1e400", 1],
    ["1e-400", 1],
    ['{"a":{"b":[1,2,99999999999999999999]}}', 16],
    ["123456789.123456789123", 1]
  ])("rejects %s, which JavaScript would change to another number", (text, at) => {
    const result = parseExactJson(text)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.include(result.failure.problem, "would be changed")
      assert.strictEqual(result.failure.at, at)
    }
  })

  it.each([
    ['{"a":1,"a":2}', 8],
    ['{"a":1,"\\u0061":2}', 8],
    ['[{"b":{},"a":[],"b":1}]', 17],
    // If the escaped quote ended its string, the number of colons outside of strings would equal the number of members.
    ['{"s":"\\"","a:":1,"a:":2,"b":3}', 18]
  ])("rejects %s, in which a key occurs twice", (text, at) => {
    const result = parseExactJson(text)
    assert.isTrue(Result.isFailure(result) && result.failure.problem.includes("twice") && result.failure.at === at)
  })

  it.each([
    ["1e400", ""],
    ['{"a":[0,{"b/c~d":1e400}]}', "/a/1/b~1c~0d"],
    ['[[],[1,{"x":1,"x":2}]]', "/1/1/x"],
    ['{"a":{},"b":[1,2', "/b/1"],
    [`${"[".repeat(100)}1e400`, `${"/0".repeat(20)}/…`]
  ])("reports the pointer of the wrong value in %s", (text, pointer) => {
    const result = parseExactJson(text)
    assert.strictEqual(Result.isFailure(result) ? result.failure.pointer : undefined, pointer)
  })

  it.each([
    "",
    " ",
    "nul",
    "NaN",
    "Infinity",
    "+1",
    "01",
    "1.",
    ".5",
    "1e",
    "0x10",
    "'a'",
    '"a',
    '"\\x"',
    '"\\u12"',
    '"\t"',
    "[1,]",
    "[1 2]",
    "[",
    "]",
    "{",
    "{a:1}",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "1 1",
    "[]]",
    "// x"
  ])("reports where %j is not JSON", (text) => {
    assert.throws(() => JSON.parse(text) as unknown)
    const result = parseExactJson(text)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) assert.isTrue(result.failure.at >= 1 && result.failure.at <= text.length + 1)
  })

  it.prop("accepts everything that JSON.stringify writes", [Schema.Json], ([value]) => {
    const text = JSON.stringify(value)
    assert.deepStrictEqual(parsed(text), JSON.parse(text))
  })

  it("accepts any nesting and length without a stack overflow", () => {
    const deep = 100_000
    assert.isTrue(Result.isSuccess(parseExactJson("[".repeat(deep) + "]".repeat(deep))))
    assert.isTrue(Result.isFailure(parseExactJson("[".repeat(deep))))
    assert.isTrue(Result.isSuccess(parseExactJson(JSON.stringify("x\\".repeat(deep * 5)))))
    assert.isTrue(Result.isFailure(parseExactJson(`1${"0".repeat(deep)}1`)))
  })
})

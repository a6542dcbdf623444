/**
 * Compares the processor time of the exact parser with that of `JSON.parse`: the average of twenty runs on texts of several
 * kinds. Run `npm run build`, then `node scripts/exactJsonCost.mjs`.
 */
import { parseExactJson } from "../dist/domain/parseExactJson.js"

const card = (index) => ({
  id: `card-${index}`,
  title: `Title ${index}`,
  body: `Some "body" text\nof card ${index} `.repeat(4),
  priority: index % 10,
  labels: ["a", "b"],
  dependsOn: [`card-${index - 1}`],
  acceptance: { number: index, score: index / 7 }
})
const many = (length, item) => Array.from({ length }, (_, index) => item(index))

const texts = {
  "a command": [JSON.stringify({ id: "a", title: "Build it", owner: "w1", priority: 3 }), 10_000],
  "5,000 cards": [JSON.stringify({ cards: many(5000, card) }), 1],
  "200,000 integers": [JSON.stringify(many(200_000, (index) => index)), 1],
  "100,000 floats": [JSON.stringify(many(100_000, (index) => Math.sin(index))), 1],
  "one long text": [JSON.stringify({ body: "x".repeat(2_000_000) }), 1],
  "escapes only": [JSON.stringify({ body: '"\\'.repeat(500_000) }), 1],
  "100,000 keys": [JSON.stringify(Object.fromEntries(many(100_000, (index) => [`k${index}`, index]))), 1]
}

/** Average processor time of one run in milliseconds, which is also correct on a busy machine. */
const costOf = (run, times) => {
  for (let time = 0; time < times; time++) run()
  const rounds = 20 * times
  const begun = process.cpuUsage()
  for (let round = 0; round < rounds; round++) run()
  return process.cpuUsage(begun).user / 1000 / rounds
}

console.log("| text | bytes | JSON.parse, ms | exact, ms | ratio |\n|---|---|---|---|---|")
for (const [name, [text, times]] of Object.entries(texts)) {
  const plain = costOf(() => JSON.parse(text), times)
  const exact = costOf(() => parseExactJson(text), times)
  console.log(
    `| ${name} | ${text.length} | ${plain.toPrecision(2)} | ${exact.toPrecision(2)} | ${(exact / plain).toFixed(1)} |`
  )
}

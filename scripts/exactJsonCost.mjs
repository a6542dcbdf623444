/**
 * Compares the exact parser with `JSON.parse`, by the best of nine runs on texts of several kinds: `npm run build`, then
 * `node scripts/exactJsonCost.mjs`.
 */
import { parseExactJson } from "../dist/events/exactJson.js"

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

const best = (run, times) => {
  let shortest = Number.POSITIVE_INFINITY
  for (let round = 0; round < 9; round++) {
    const begun = performance.now()
    for (let time = 0; time < times; time++) run()
    shortest = Math.min(shortest, (performance.now() - begun) / times)
  }
  return shortest
}

console.log("| text | bytes | JSON.parse, ms | exact, ms | ratio |\n|---|---|---|---|---|")
for (const [name, [text, times]] of Object.entries(texts)) {
  const plain = best(() => JSON.parse(text), times)
  const exact = best(() => parseExactJson(text), times)
  console.log(
    `| ${name} | ${text.length} | ${plain.toPrecision(2)} | ${exact.toPrecision(2)} | ${(exact / plain).toFixed(1)} |`
  )
}

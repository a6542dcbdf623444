/**
 * Checks the language of the repository: spelling, expressions that the project does not use, and sentences of more than 45
 * words. Reads the prose of pages, and in programs comments, strings that are sentences, and titles of tests.
 *
 *     npm run check:language
 *     node scripts/language/run.mjs FILE...
 *
 * Prints one line for each place, and ends with code 1 if there is any. Add a term that the dictionaries of `cspell.json` do not
 * have to `words.txt`, which is sorted.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { exceptions } from "./exceptions.mjs"
import { longSentences, maxWords, patterns } from "./patterns.mjs"
import { misspelled, wordsOf } from "./spelling.mjs"
import { textsOf } from "./texts.mjs"

const root = join(import.meta.dirname, "../..")

/**
 * Pages, programs and configurations. A released migration is never edited; fixtures and results are data; the texts of licenses are
 * those of others.
 */
const isChecked = (name) =>
  /\.(md|ts|tsx|mjs|css|sh|yml|yaml|cfg)$|^\.ci\/run$/.test(name) &&
  !/^bench\/results\/|^test\/.*\/(fixtures|golden|golden-log)\//.test(name) &&
  !name.startsWith("scripts/language/") &&
  name !== "test/language.test.ts" &&
  name !== "THIRD-PARTY-LICENSES.md"

const given = process.argv.slice(2)
const files =
  given.length > 0
    ? given
    : execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0").filter(isChecked)

const found = []
/** Where each word is. Lines are counted only for words that are misspelled. */
const places = new Map()
const used = new Set()
const isExcepted = (file, around) => {
  const exception = exceptions.find((each) => each.file === file && around.includes(each.text))
  if (exception !== undefined) used.add(exception)
  return exception !== undefined
}

for (const file of files) {
  for (const { line: first, text } of textsOf(file, readFileSync(join(given.length > 0 ? "" : root, file), "utf8"))) {
    const lineOf = (index) => first + text.slice(0, index).split("\n").length - 1
    const add = (index, problem) => found.push({ file, line: lineOf(index), problem })
    for (const { find, use } of patterns) {
      for (const { 0: match, index } of text.matchAll(find)) {
        const expression = match.trim().replace(/\s+/g, " ")
        const around = text.slice(Math.max(0, index - 40), index + match.length + 40).replace(/\s+/g, " ")
        if (!isExcepted(file, around)) add(index, `"${expression}". Use: ${use}.`)
      }
    }
    for (const { index, words } of longSentences(text)) {
      if (!isExcepted(file, text)) add(index, `a sentence of ${words} words. The maximum is ${maxWords}.`)
    }
    for (const { index, word } of wordsOf(text)) {
      const all = places.get(word)
      if (all === undefined) places.set(word, [{ file, index, lineOf }])
      else all.push({ file, index, lineOf })
    }
  }
}
for (const [word, suggestions] of await misspelled([...places.keys()])) {
  const problem = `"${word}" is misspelled.${suggestions.length > 0 ? ` Use: ${suggestions}.` : ""}`
  for (const { file, index, lineOf } of places.get(word) ?? []) {
    if (!isExcepted(file, word)) found.push({ file, line: lineOf(index), problem })
  }
}
if (given.length === 0) {
  for (const each of exceptions.filter((one) => !used.has(one))) {
    found.push({ file: "scripts/language/exceptions.mjs", line: 1, problem: `"${each.text}" is not in ${each.file}.` })
  }
  const words = readFileSync(join(import.meta.dirname, "words.txt"), "utf8")
    .split("\n")
    .filter(Boolean)
  const sorted = [...new Set(words)].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
  if (words.join("\n") !== sorted.join("\n")) {
    found.push({
      file: "scripts/language/words.txt",
      line: 1,
      problem: "the words are not sorted, or one is there twice."
    })
  }
}

found.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
for (const { file, line, problem } of found) console.log(`${file}:${line}: ${problem}`)
console.log(found.length === 0 ? `The language of ${files.length} files is correct.` : `${found.length} places.`)
process.exitCode = found.length === 0 ? 0 : 1

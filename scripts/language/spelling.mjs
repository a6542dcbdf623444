/** Finds words that neither the dictionaries of `cspell.json` nor `words.txt` contain. */
import { fileURLToPath } from "node:url"
import { loadConfig, spellCheckDocument } from "cspell-lib"

const config = fileURLToPath(new URL("../../cspell.json", import.meta.url))

/** Returns the words of a text that have at least four letters, with their places. */
export const wordsOf = (text) =>
  [...text.matchAll(/[\p{L}\p{M}\p{N}_]{4,}(?:['’]\p{L}+)*/gu)].map(({ 0: word, index }) => ({ word, index }))

/** Returns those of the words that are misspelled, with the words that the dictionaries suggest. */
export const misspelled = async (words) => {
  const settings = await loadConfig(config)
  const check = async (list, generateSuggestions) => {
    const document = { uri: "stdin:///words.txt", text: list.join("\n"), languageId: "plaintext" }
    const { issues } = await spellCheckDocument(document, { generateSuggestions, noConfigSearch: true }, settings)
    return issues.map(({ line, suggestions = [] }) => [line.text.trim(), suggestions.slice(0, 3).join(", ")])
  }
  const found = await check(words, false)
  // Suggestions take most of the time.
  return new Map(
    found.length > 50
      ? found
      : await check(
          found.map(([word]) => word),
          true
        )
  )
}

/** Expressions that the project does not use, and what it writes instead. */

/** The beginning of a sentence: of the text, of a paragraph, or after the end of another sentence. */
const start = String.raw`(?<=^|[.!?:;]\s+|\n\n)`

/** A word is separated from the next by spaces or a line break. */
const source = (text) => text.replaceAll(" ", String.raw`\s+`)

/** Matches anywhere, in upper or lower case. */
const anywhere = (text) => new RegExp(source(text), "gi")

/** Matches at the beginning of a sentence. */
const atStart = (text) => new RegExp(start + source(text), "g")

/** What releases or reclaims act on, between a verb and its particle. */
const object = "(?: (?:it|them|(?:the |its |a |their |expired )?(?:cards?|claims?|leases?)))?"

/** Before `answers`: the noun. */
const beforeNoun = [
  "a|all|an|and|any|both|by|each|every|for|from|in|into|its|no|of|on|or|our|same|such|that|the|their|these|those|to|two|with|whose",
  "between|compared|compares|different|early|earlier|early|first|get|gets|held|late|later|long|lost|many|more|most|normal|old|other",
  "parses|read|reads|receive|receives|right|sending|send|sends|short|stored|three|without|wrong"
].join("|")

/** Participles that begin no sentence of the form "Kept are …". Others end with "ed". */
const participles =
  "Bound|Built|Chosen|Cut|Done|Drawn|Found|Given|Held|Kept|Known|Left|Lost|Made|Meant|Paid|Put|Read|Said|Seen|Sent|Shown|Sought|Spoken|Spread|Taken|Told|Written"

export const patterns = [
  {
    find: anywhere(String.raw`(?<!["“])\b(whoever|whomever|somebody|nobody|anybody|everybody)\b`),
    use: "a named subject"
  },
  { find: atStart(String.raw`(Who|What is no|Whatever) (?![^.]*\?)`), use: "a named subject" },
  {
    find: anywhere(
      String.raw`(?<!\b(?:${beforeNoun}) )(?<!['’]s? )(?<=[\w\x60)] |^)answers(?= ((a|an|another|as|at|each|every|HEAD|immediately|it|on|one|only|others|such|that|the|them|unknown|with|within)\b|\x60|\d))`
    ),
    use: "returns, responds"
  },
  {
    find: anywhere(
      String.raw`\b(answered (by|with)|(is|are|was|were|be|been|being|gets?|has|have|had|and) (not |never |already )?answered)\b`
    ),
    use: "responded, returned, acknowledged"
  },
  { find: anywhere(String.raw`\b(goes|go|going|went|gone) on\b`), use: "continue" },
  { find: anywhere(String.raw`\b(stands|stood)\b(?! (for|by)\b)|\bstand (beside|in|there|next)\b`), use: "is, are" },
  { find: anywhere(String.raw`\bshall\b`), use: "must, or the present tense" },
  { find: anywhere(String.raw`\bfor good\b`), use: "permanently; never expires" },
  { find: anywhere(String.raw`\banew\b`), use: "again; rebuilt, recreated" },
  { find: anywhere(String.raw`\b(runs?|ran|running) out\b(?! of)`), use: "expire" },
  { find: anywhere(String.raw`\b(gives?|gave|given|giving)${object} back\b`), use: "release, return" },
  { find: anywhere(String.raw`\b(takes?|took|taken|taking)${object} (over|back)\b`), use: "reclaim; lose, undo" },
  { find: anywhere(String.raw`\bin turns\b`), use: "alternating" },
  { find: anywhere(String.raw`\bbesides?\b`), use: "next to; also" },
  { find: anywhere(String.raw`\bas (it|they) should( be)?\b`), use: "healthy, consistent, correct" },
  { find: anywhere(String.raw`\ball that\b|\bwhat there is\b`), use: "everything, or its name" },
  { find: atStart(String.raw`Of (?!course\b)`), use: "the subject first" },
  { find: anywhere(String.raw`\b(unless|if not|until) told otherwise\b`), use: "Defaults to X." },
  { find: anywhere(String.raw`\bmend(s|ed|ing)?\b`), use: "fix, repair" },
  {
    find: anywhere(String.raw`\b(is|are|was|were|be|been|goes|go) (not |never )?noticed\b|\bunnoticed\b|\bnotices\b`),
    use: "detected, undetected; killed, survives"
  },
  { find: anywhere(String.raw`\bfloors?\b`), use: "the baseline" },
  { find: anywhere(String.raw`\b(im)?patien(ce|t|tly)\b`), use: "timeout" },
  { find: anywhere(String.raw`\bnews\b|\b(rings|bells?)\b(?!,|s of)`), use: "commit notification" },
  { find: anywhere(String.raw`\bkept plain\b`), use: "kept on the fast path" },
  { find: anywhere(String.raw`\b(compiled|made|prepared) once\b(?! the| a\b)`), use: "prepared, memoized" },
  { find: anywhere(String.raw`\b(takes?|took|taken|taking) out\b`), use: "remove" },
  { find: anywhere(String.raw`\bwork(s|ed|ing)? off\b`), use: "drain, complete" },
  {
    find: anywhere(String.raw`\b(a|one|each|every|another) looks?\b|\blook(s|ed|ing)? at\b`),
    use: "check, probe, read, view"
  },
  {
    find: anywhere(
      String.raw`\b(rules?|this|same|which|guarantees?|propert(y|ies)) (still |always |must |also |only )?holds?(?= (for|true|here|there|when|if|only|even|while|again)\b|[.,;:])`
    ),
    use: "is true, is enforced, applies"
  },
  {
    find: anywhere(String.raw`\b(is|are|was|were|be|been|being) cut\b|\bcut (off|short)\b`),
    use: "truncate; interrupt"
  },
  { find: anywhere(String.raw`\b(tells|told)\b(?! (otherwise|(\w+ ){0,3}apart)\b)`), use: "report, print, say" },
  {
    find: atStart(String.raw`(${participles}|(?!Embed|Feed|Need|Seed|Shed|Speed)[A-Z][a-z]+ed) (is|are|was|were) `),
    use: "the subject first, and an active verb"
  }
]

/** A sentence with more words than this is too long. */
export const maxWords = 45

/** Returns the sentences of a text that have too many words. */
export const longSentences = (text) => {
  const found = []
  let at = 0
  for (const sentence of text.split(/(?<=[.!?:)])\s+(?=[A-Z`"(*[0-9])|(?<=;)\s+|\n\s*\n|\n(?=\s*[-*|@])/)) {
    const index = text.indexOf(sentence, at)
    at = index + sentence.length
    const words = sentence.split(/\s+/).filter((word) => /\w/.test(word)).length
    if (words > maxWords) found.push({ index, words })
  }
  return found
}

/** How a character of a token may be written: as it is, percent-encoded once or more often, or escaped as in JSON. */
const written = (character: string, codes: string): string =>
  `(?:${character}|%(?:25)*(?:${codes})|\\\\{1,4}u00(?:${codes}))`

/** Digits, letters, `-` and `_`. */
const tokenCharacter = written("[0-9a-z_-]", "2d|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f")

/** What may be in the place of the `_` between the parts of a token. */
const separator = String.raw`(?:[-_+ ]|%(?:25)*(?:5f|2d|20|2b)|(?:\\|%(?:25)*5c){1,4}u00(?:5f|2d|20|2b))`

/**
 * The beginning of a token and what follows it, or the end of one that lost its beginning, which a message may have truncated
 * with "…". In any case of letters. Digits without a letter are a number.
 */
const token = new RegExp(
  `${written("m", "[46]d")}${written("b", "[46]2")}${written("k", "[46]b")}${written("_", "5f")}${tokenCharacter}+` +
    // The id and the secret are the whole of a token: the rest can be computed.
    `|(?<![0-9a-f])[0-9a-f]{16}${separator}(?:[0-9a-f]{64}(?:${separator}[0-9a-f]{8})?(?![0-9a-f])|[0-9a-f]{1,63}(?=…))` +
    "|(?<![0-9a-f])(?=[0-9]{0,63}[a-f])[0-9a-f]{32,64}(?:_[0-9a-f]{8}(?![0-9a-f])|(?=…))",
  "gi"
)

/** The part of a token that `token list` shows, and that `token revoke` takes. */
const withId = /^mbk_[0-9a-f]{16}(?=_)/

/** The user and the password of a URL. */
const passwordInUrl = /(:\/\/[^\s:@/]*):[^\s/?#]*@/g
const passwordInQuery = /([?&](?:ssl)?password=)[^\s&#"']+/gi

/**
 * Replaces secrets in a text that leaves the program: access tokens, also truncated, percent-encoded or in another case,
 * and passwords in URLs. Everything from `mbk_` to the end of the word counts as a token. The id of a token stays, so that
 * an operator knows which one to revoke.
 */
export const redactSecrets = (text: string): string =>
  text
    .replace(token, (found) => `${withId.exec(found)?.[0] ?? "mbk"}_redacted`)
    .replace(passwordInUrl, "$1:***@")
    .replace(passwordInQuery, "$1***")

/** Matches a character of a token: plain, percent-encoded once or more often, or escaped as in JSON. */
const encoded = (character: string, codes: string): string =>
  `(?:${character}|%(?:25)*(?:${codes})|\\\\{1,4}u00(?:${codes}))`

/** Digits, letters, `-` and `_`. */
const tokenCharacter = encoded("[0-9a-z_-]", "2d|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f")

/** Matches what may replace the `_` between the parts of a token. */
const separator = String.raw`(?:[-_+ ]|%(?:25)*(?:5f|2d|20|2b)|(?:\\|%(?:25)*5c){1,4}u00(?:5f|2d|20|2b))`

/**
 * Matches the beginning of a token and everything that follows it, or the end of a token without its beginning, which a
 * message may have truncated with "…". Case-insensitive. Digits without a letter are a number, not a token.
 */
const token = new RegExp(
  `${encoded("m", "[46]d")}${encoded("b", "[46]2")}${encoded("k", "[46]b")}${encoded("_", "5f")}${tokenCharacter}+` +
    // The id and the secret suffice: the rest of a token can be computed from them.
    `|(?<![0-9a-f])[0-9a-f]{16}${separator}(?:[0-9a-f]{64}(?:${separator}[0-9a-f]{8})?(?![0-9a-f])|[0-9a-f]{1,63}(?=…))` +
    "|(?<![0-9a-f])(?=[0-9]{0,63}[a-f])[0-9a-f]{32,64}(?:_[0-9a-f]{8}(?![0-9a-f])|(?=…))",
  "gi"
)

/** The part of a token that `token list` prints and `token revoke` accepts. */
const tokenId = /^mbk_[0-9a-f]{16}(?=_)/

/** Matches the user and the password of a URL. */
const passwordInUrl = /(:\/\/[^\s:@/]*):[^\s/?#]*@/g
const passwordInQuery = /([?&](?:ssl)?password=)[^\s&#"']+/gi

/**
 * Redacts secrets in a text that leaves the program: passwords in URLs, and access tokens, even if truncated,
 * percent-encoded or in another case. Everything from `mbk_` to the end of the word is treated as a token. The id of the
 * token remains, so that an operator knows which one to revoke.
 */
export const redactSecrets = (text: string): string =>
  text
    .replace(token, (found) => `${tokenId.exec(found)?.[0] ?? "mbk"}_redacted`)
    .replace(passwordInUrl, "$1:***@")
    .replace(passwordInQuery, "$1***")

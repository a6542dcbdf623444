/** Names the type of an event in words: `Claim renewed` for `ClaimRenewed`, and `Noted` for `CardNoted`. */
export const eventName = (type: string): string =>
  type.replace(/^Card/, "").replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

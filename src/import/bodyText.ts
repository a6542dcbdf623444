/** Texts one after the other, all but the first under headings of their own; `null` when there is none. */
export const joinSections = (
  first: string | null | undefined,
  headed: Readonly<Record<string, string | null | undefined>>
): string | null => {
  const parts = [
    first,
    ...Object.entries(headed).map(([heading, text]) =>
      text == null || text === "" ? null : `## ${heading}\n\n${text}`
    )
  ].filter((part) => part != null && part !== "")
  return parts.length === 0 ? null : parts.join("\n\n")
}

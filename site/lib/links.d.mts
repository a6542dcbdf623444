export const findDeadLinksOfPages: (texts?: Readonly<Record<string, string>>) => ReadonlyArray<string>
export const countLinks: () => number
export const findDeadMentions: () => ReadonlyArray<string>

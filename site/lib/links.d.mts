export const findDeadLinks: (page: string, text: string) => ReadonlyArray<string>
export const findDeadLinksOfPages: () => ReadonlyArray<string>
export const countLinks: () => number
export const findDeadMentions: () => ReadonlyArray<string>

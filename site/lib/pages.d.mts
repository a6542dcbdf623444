/** The page in `file`. One without a file is generated. */
export interface Entry {
  readonly title: string
  readonly file?: string
}
export interface Group {
  readonly title: string
  readonly items: ReadonlyArray<Entry | Group>
}
export const root: string
export const unwritten: ReadonlyArray<string>
export const indexes: { readonly pages: string; readonly decisions: string }
export const listPages: () => ReadonlyArray<string>
export const sitePath: (file: string) => string | undefined
export const slugify: (text: string) => string
export const resolveTarget: (page: string, target: string) => string
export const readNavigation: () => ReadonlyArray<Group>
export const readDecisions: () => ReadonlyArray<Group>
export const entriesOf: (group: Group) => ReadonlyArray<Entry>
export const findNavigationProblems: () => ReadonlyArray<string>

/*
 * `npm run build` replaces the built module: it embeds the version and the migrations of this package, so that a program that is
 * bundled needs no files of the package. In the sources nothing is embedded, and `packageFiles.ts` reads the files.
 */

/** A migration's file. */
export interface TextFile {
  readonly name: string
  readonly text: string
}

/** The version of this package. */
export const embeddedVersion: string | undefined = undefined

/** The migrations of this package, in order. */
export const embeddedMigrations: ReadonlyArray<TextFile> | undefined = undefined

import { spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Block, blocksOn, read } from "./pages.ts"

const program = join(import.meta.dirname, "..", "..", "..", "dist", "cli", "main.js")

/** How a tutorial is run. */
interface TutorialOptions {
  /** The home directory of the shell. */
  readonly home: string
  /** The folder in which the shell starts. */
  readonly startsIn: string
  /** Texts of blocks that are not run. */
  readonly without?: RegExp
  /** Texts on the page and their replacements: addresses. */
  readonly instead?: ReadonlyArray<readonly [string, string]>
  /** Variables that earlier tutorials left in the shell. */
  readonly left?: Readonly<Record<string, string>>
}

/** The outcome of a tutorial. */
interface TutorialResult {
  /** The page, with the outputs of this run if one of them differs in more than times, hashes and ids. */
  readonly page: string
  /** First lines of the blocks that contain a failed command, with its exit code. */
  readonly failures: ReadonlyArray<readonly [string, number]>
  /** The outputs of those blocks. */
  readonly failed: string
}

/** Removes what differs between two runs. */
const stable = (text: string): string =>
  text
    .replaceAll(/\d{4}-\d\d-\d\d/g, "DATE")
    .replaceAll(/\d\d:\d\d:\d\d(\.\d+)?/g, "TIME")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "HASH")
    .replaceAll(/\b[0-9a-f]{16}\b/g, "ID")
    .replaceAll(/\bgeneration \d+/g, "GENERATION")
    .replaceAll(/\b\d+(?:\.\d+)? ?(?:ms|s|seconds?)\b/g, "SECONDS")
    .replaceAll(/[ \t]+/g, " ")
    .replaceAll(/ $/gm, "")
    .trim()

/** What the shell says about jobs that end. */
const aboutJobs = /^(?:\[\d\]\+|.*\/script: line \d+:).*\n/gm

/**
 * Runs the blocks `sh` of a page, unchanged and in order, in one bash with job control. A block `text` is the whole output of
 * the block before it. The port of the server is a free one.
 */
export const runTutorial = async (
  page: string,
  { home, instead = [], left = {}, startsIn, without }: TutorialOptions
): Promise<TutorialResult> => {
  const bin = join(home, "bin")
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, "backlog"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
  await chmod(join(bin, "backlog"), 0o755)
  const port = String(randomInt(10_000, 30_000))
  const replaced = (text: string): string =>
    [...instead, [":4010", `:${port}`] as const, ["backlog serve", `backlog serve --port ${port}`] as const].reduce(
      (all, [from, to]) => all.replaceAll(from, to),
      text
    )
  const shown = (text: string): string =>
    [...instead, [":4010", `:${port}`] as const].reduce((all, [from, to]) => all.replaceAll(to, from), text)
  const output = (index: number): string => join(home, `output-${index}`)

  const blocks = blocksOn(page)
  const isRun = ({ language, text }: Block): boolean => language === "sh" && without?.test(text) !== true
  const script = [
    "set -m",
    `trap 'printf "%s %s\\n" "$block" "$?" >> "$HOME/failed"' ERR`,
    "trap 'trap - ERR; for job in $(jobs -p); do kill -9 -- -$job; done' EXIT",
    ...blocks.flatMap((block, index) =>
      isRun(block) ? [`block=${index}`, "{", `${replaced(block.text)}} > "${output(index)}" 2>&1`] : []
    )
  ]
  await writeFile(join(home, "script"), `${script.join("\n")}\n`)
  const env = { ...left, PATH: `${bin}:${process.env["PATH"]}`, HOME: home, USER: "ada" }
  const shell = spawn("bash", ["--norc", join(home, "script")], { cwd: startsIn, env, stdio: "ignore" })
  await new Promise((resolve) => shell.once("exit", resolve))

  const linesOf = (name: string): ReadonlyArray<string> => {
    const file = join(home, name)
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
  }
  const shownBlocks = blocks.flatMap((block, index) => {
    if (block.language !== "text" || !existsSync(output(index - 1))) return []
    const printed = shown(readFileSync(output(index - 1), "utf8"))
    return [
      {
        text: block.text,
        printed: `${printed
          .replaceAll(aboutJobs, "")
          .replaceAll(/[ \t]+$/gm, "")
          .trimEnd()}\n`
      }
    ]
  })
  const isSame = shownBlocks.every(({ printed, text }) => stable(printed) === stable(text))
  const written = (all: string, { printed, text }: (typeof shownBlocks)[number]): string =>
    all.replace(`\`\`\`text\n${text}\`\`\`\n`, () => `\`\`\`text\n${printed}\`\`\`\n`)
  const failures = linesOf("failed").map((line) => line.split(" ").map(Number))
  return {
    page: isSame ? read(page) : shownBlocks.reduce(written, read(page)),
    failures: failures.map(([index = 0, code = 0]) => [blocks[index]?.text.split("\n")[0] ?? "", code]),
    failed: failures.map(([index = 0]) => readFileSync(output(index), "utf8")).join("\n")
  }
}

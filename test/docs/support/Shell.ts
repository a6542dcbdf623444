import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFile } from "node:child_process"
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { promisify } from "node:util"
import type { OutputStream } from "../../../src/cli/ProcessIO.ts"
import { cli, type Ran } from "../../cli/support.ts"
import { runInBackground } from "../../support/runInBackground.ts"
import { linesIn, parseLine, type ShellLine } from "./shellLines.ts"

/** Where the lines of a page are run. */
export interface ShellOptions {
  /** The folder in which they are, which is their home too. */
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  /** Flags that every `backlog` gets beside its own: the schema. */
  readonly flags?: ReadonlyArray<string>
  /** What stands on the page, and what is there instead: addresses, and anchors. */
  readonly instead?: ReadonlyArray<readonly [string, string]>
  readonly variables?: Readonly<Record<string, string>>
  /** Where programs are that are not on the path, by name. */
  readonly programs?: Readonly<Record<string, string>>
}

/** What became of a line. */
export interface RanLine extends Ran {
  readonly line: string
}

/** A program that goes on until it is interrupted. */
interface Running {
  readonly said: () => Pick<Ran, "stdout" | "stderr">
  readonly end: () => Promise<unknown>
}

/**
 * Runs the lines of a page as a shell would, but `backlog` in this process: starting it takes longer than what it does.
 * One test at a time: the working directory is the process's.
 */
export class Shell {
  readonly #options: ShellOptions
  readonly #instead: Array<readonly [string, string]>
  readonly #variables: Record<string, string>
  readonly #running: Array<Running> = []
  readonly #before = process.cwd()

  constructor(options: ShellOptions) {
    this.#options = options
    this.#instead = [...(options.instead ?? [])]
    this.#variables = { HOME: options.folder, ...options.variables }
    process.chdir(options.folder)
  }

  /** Runs the lines of a block one after the other. */
  async run(block: string): Promise<ReadonlyArray<RanLine>> {
    const ran: Array<RanLine> = []
    for (const line of linesIn(block)) ran.push(await this.#line(line))
    return ran
  }

  /** The same, where every line must end well. */
  async runs(block: string): Promise<ReadonlyArray<RanLine>> {
    const ran = await this.run(block)
    assert.isNotEmpty(ran)
    for (const { code, line, stderr } of ran) assert.deepStrictEqual([line, code], [line, 0], stderr)
    return ran
  }

  /** From now on something else stands in the lines: what was not known before. */
  replace(from: string, to: string): void {
    this.#instead.push([from, to])
  }

  /** Ends what is running in the background. */
  async interrupt(): Promise<void> {
    for (const each of this.#running.splice(0)) await each.end()
  }

  /** Ends all, and leaves the process as it was. */
  async end(): Promise<void> {
    await this.interrupt()
    process.chdir(this.#before)
  }

  async #line(line: string): Promise<RanLine> {
    const replaced = this.#instead.reduce((text, [from, to]) => text.replaceAll(from, to), line)
    const parsed = parseLine(replaced, this.#variables)
    const { code, stderr, stdout } = await this.#program(parsed)
    if (parsed.into !== undefined) this.#variables[parsed.into] = stdout.split("\n")[0] ?? ""
    if (parsed.output !== undefined) {
      const file = resolve(parsed.output.file)
      mkdirSync(dirname(file), { recursive: true })
      if (parsed.output.appends) appendFileSync(file, stdout)
      else writeFileSync(file, stdout)
    }
    return { line, code, stdout, stderr }
  }

  #program(parsed: ShellLine): Promise<Ran> {
    const [program, ...argv] = parsed.words
    switch (program) {
      case "backlog":
        return this.#backlog(parsed, argv)
      case "curl":
        return this.#curl(argv)
      case "openssl":
      case "cp":
      case "rm":
      case "pg_dump":
      case "pg_restore":
        return promisify(execFile)(this.#options.programs?.[program] ?? program, argv).then((output) => ({
          code: 0,
          ...output
        }))
      default:
        throw new Error(`nobody runs this line: ${parsed.line}`)
    }
  }

  async #backlog(parsed: ShellLine, given: ReadonlyArray<string>): Promise<Ran> {
    const env = { BACKLOG_ACTOR: "me", ...this.#options.env, ...parsed.env }
    const isElsewhere = given.includes("--completions") || given.includes("--schema")
    const flags = isElsewhere ? [] : (this.#options.flags ?? [])
    const argv = [...given, ...flags]
    if (given[0] === "serve") {
      const port = given.indexOf("--port")
      const anyPort = port === -1 ? argv : argv.toSpliced(port, 2)
      const server = await started([...anyPort, "--port", "0", "--json"], env)
      this.#running.push(server)
      return { code: 0, ...server.said() }
    }
    const goesOn =
      given.includes("--follow") ||
      (given[0] === "watch" && given.includes("--json")) ||
      (given[0] === "work" && !given.includes("--until-empty"))
    if (!goesOn) return cli(argv, { env })
    const running = await started(argv, env)
    await running.end()
    return { code: 0, ...running.said() }
  }

  async #curl(argv: ReadonlyArray<string>): Promise<Ran> {
    const url = new URL(argv.find((word) => word.startsWith("http://")) ?? "")
    const after = (flag: string): string | undefined => argv[argv.indexOf(flag) + 1 || argv.length]
    const given = argv.flatMap((word, index) => (word === "-H" ? [(argv[index + 1] ?? "").split(": ")] : []))
    const body = after("-d")
    const server = JSON.parse(this.#running.at(-1)?.said().stdout ?? "") as { readonly data: { readonly port: number } }
    const response = await fetch(`http://127.0.0.1:${server.data.port}${url.pathname}${url.search}`, {
      headers: {
        // As curl does for a body.
        ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
        ...Object.fromEntries(given.map(([name = "", value = ""]) => [name.toLowerCase(), value]))
      },
      ...(body === undefined ? {} : { method: "POST", body })
    })
    const text = await response.text()
    return { code: response.ok ? 0 : 22, stdout: text, stderr: `${response.status} ${text}` }
  }
}

/** A command that goes on, once it has answered something, or a worker has completed a card. */
const started = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>>): Promise<Running> =>
  new Promise((resolveStarted, reject) => {
    const said = { stdout: "", stderr: "" }
    const output = (name: keyof typeof said): OutputStream => ({
      write: (text) => {
        said[name] += text
        if (said.stdout.includes("\n") || / completed/.test(said.stderr)) {
          resolveStarted({ said: () => ({ ...said }), end: () => Effect.runPromise(Fiber.interrupt(fiber)) })
        }
      },
      drain: Effect.void,
      isTerminal: false,
      size: () => ({ columns: 80, rows: 24 })
    })
    const fiber = runInBackground(argv, env, { stdout: output("stdout"), stderr: output("stderr") })
    fiber.addObserver(() => reject(new Error(`${argv.join(" ")} ended too early: ${said.stderr}`)))
  })

import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFile } from "node:child_process"
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { promisify } from "node:util"
import type { OutputStream } from "../../../src/cli/ProcessIO.ts"
import { cli, type RunResult } from "../../cli/support.ts"
import { runInBackground } from "../../support/runInBackground.ts"
import { linesIn, parseLine, type ShellLine } from "./shellLines.ts"

/** The environment of a page's lines. */
export interface ShellOptions {
  /** The working directory, which is also the home directory. */
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  /** Additional flags for every `backlog` command. */
  readonly flags?: ReadonlyArray<string>
  /** Texts on the page and their replacements: addresses and anchors. */
  readonly instead?: ReadonlyArray<readonly [string, string]>
  readonly variables?: Readonly<Record<string, string>>
  /** Paths of programs that are not in `PATH`, by name. */
  readonly programs?: Readonly<Record<string, string>>
}

/** The outcome of a line. */
export interface LineResult extends RunResult {
  readonly line: string
}

/** A program that runs until it is interrupted. */
interface Running {
  readonly said: () => Pick<RunResult, "stdout" | "stderr">
  readonly end: () => Promise<unknown>
}

/**
 * Runs the lines of a page like a shell, but runs `backlog` in this process, because starting a process takes longer than
 * the command. Only one test at a time may use it, because the process has one working directory.
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

  /** Runs the lines of a block in order. */
  async run(block: string): Promise<ReadonlyArray<LineResult>> {
    const ran: Array<LineResult> = []
    for (const line of linesIn(block)) ran.push(await this.#line(line))
    return ran
  }

  /** Runs the lines of a block, which must all succeed. */
  async runs(block: string): Promise<ReadonlyArray<LineResult>> {
    const ran = await this.run(block)
    assert.isNotEmpty(ran)
    for (const { code, line, stderr } of ran) assert.deepStrictEqual([line, code], [line, 0], stderr)
    return ran
  }

  /** Adds a replacement for later lines. */
  replace(from: string, to: string): void {
    this.#instead.push([from, to])
  }

  /** Interrupts the background programs. */
  async interrupt(): Promise<void> {
    for (const each of this.#running.splice(0)) await each.end()
  }

  /** Ends all programs, and restores the process's state. */
  async end(): Promise<void> {
    await this.interrupt()
    process.chdir(this.#before)
  }

  async #line(line: string): Promise<LineResult> {
    const replaced = this.#instead.reduce((text, [from, to]) => text.replaceAll(from, to), line)
    const parsed = parseLine(replaced, this.#variables)
    const { code, stderr, stdout } = await this.#program(parsed)
    if (parsed.into !== undefined) this.#variables[parsed.into] = stdout.replace(/\n+$/, "")
    if (parsed.output !== undefined) {
      const file = resolve(parsed.output.file)
      mkdirSync(dirname(file), { recursive: true })
      if (parsed.output.appends) appendFileSync(file, stdout)
      else writeFileSync(file, stdout)
    }
    return { line, code, stdout, stderr }
  }

  #program(parsed: ShellLine): Promise<RunResult> {
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
        throw new Error(`the line cannot be run: ${parsed.line}`)
    }
  }

  async #backlog(parsed: ShellLine, given: ReadonlyArray<string>): Promise<RunResult> {
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
    const isLongRunning =
      given.includes("--follow") ||
      (given[0] === "watch" && given.includes("--json")) ||
      (given[0] === "work" && !given.includes("--until-empty"))
    if (!isLongRunning) return cli(argv, { env })
    const running = await started(argv, env)
    await running.end()
    return { code: 0, ...running.said() }
  }

  async #curl(argv: ReadonlyArray<string>): Promise<RunResult> {
    const url = new URL(argv.find((word) => word.startsWith("http://")) ?? "")
    const after = (flag: string): string | undefined => argv[argv.indexOf(flag) + 1 || argv.length]
    const given = argv.flatMap((word, index) => (word === "-H" ? [(argv[index + 1] ?? "").split(": ")] : []))
    const body = after("-d")
    const server = JSON.parse(this.#running.at(-1)?.said().stdout ?? "") as { readonly data: { readonly port: number } }
    const response = await fetch(`http://127.0.0.1:${server.data.port}${url.pathname}${url.search}`, {
      headers: {
        // curl's default for a body.
        ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
        ...Object.fromEntries(given.map(([name = "", value = ""]) => [name.toLowerCase(), value]))
      },
      ...(body === undefined ? {} : { method: "POST", body })
    })
    const text = await response.text()
    return { code: response.ok ? 0 : 22, stdout: text, stderr: `${response.status} ${text}` }
  }
}

/** Starts a long-running command, and waits until it printed something or a worker completed a card. */
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

/**
 * Reads what people read out of a file: the prose of a Markdown page; and of a program its comments, its strings that are
 * sentences, and the titles of its tests. A text keeps its line breaks, so that a place in it has a line.
 */
import { parseSync } from "oxc-parser"

/** What code spans, interpolations and link targets become. */
const placeholder = "`code`"

const newlinesOf = (text) => text.replace(/[^\n]/g, "")

/** Replaces what is not prose inside a line or paragraph, and keeps its line breaks. */
const withoutCode = (text) =>
  text
    .replace(/<!--[\s\S]*?-->/g, newlinesOf)
    .replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, (code) => placeholder + newlinesOf(code))
    .replace(/\]\([^)\s]*\)/g, "]")
    .replace(/\]\[[^\]]*\]/g, "]")
    .replace(/^\[[^\]]+\]: .*$/gm, "")
    .replace(/\bhttps?:\/\/[^\s)>"]+/g, placeholder)
    .replace(/\{@link ([^}]*)\}/g, placeholder)

/** Returns the paragraphs, list items, headings and table cells of a Markdown page. */
const textsOfMarkdown = (source) => {
  const texts = []
  let lines = []
  let first = 0
  let fence
  /** Columns of the innermost list item's text. A block of code is indented by four more. */
  let indent = 0
  let wasBlank = true
  let inCode = false
  const flush = () => {
    if (lines.length > 0) texts.push({ kind: "prose", line: first, text: withoutCode(lines.join("\n")) })
    lines = []
  }
  for (const [index, raw] of source.split("\n").entries()) {
    const marks = /^\s*(`{3,}|~{3,})/.exec(raw)?.[1]
    if (fence !== undefined) {
      if (marks?.startsWith(fence)) fence = undefined
      continue
    }
    if (marks !== undefined) {
      flush()
      fence = marks
      wasBlank = false
      continue
    }
    if (raw.trim() === "") {
      flush()
      wasBlank = true
      continue
    }
    const spaces = raw.length - raw.trimStart().length
    if (spaces === 0 && !/^([-*]|\d+\.)\s/.test(raw) && wasBlank) indent = 0
    inCode = spaces >= indent + 4 && (wasBlank || inCode)
    wasBlank = false
    if (inCode) continue
    const item = /^\s*(?:[-*]|\d+\.)\s+/.exec(raw)
    if (item !== null || /^#+\s/.test(raw) || raw.startsWith("|")) flush()
    if (item !== null) indent = item[0].length
    if (raw.startsWith("|")) {
      if (/^\|[\s|:-]+\|$/.test(raw)) continue
      for (const cell of raw.replace(/\\\|/g, "/").split("|").slice(1, -1)) {
        texts.push({ kind: "prose", line: index + 1, text: withoutCode(cell.trim()) })
      }
      continue
    }
    if (lines.length === 0) first = index + 1
    lines.push(raw.replace(/^\s*(?:(?:[-*]|\d+\.|#+|>)\s+)?/, ""))
    if (/^#+\s/.test(raw)) flush()
  }
  flush()
  return texts.filter(({ text }) => text.trim() !== "")
}

/** Returns the text of a comment without its stars, and without the code in it. */
const textOfComment = (value) => {
  const lines = value.split("\n").map((line) => line.replace(/^\s*\*? ?/, ""))
  let fenced = false
  const prose = lines.map((line) => {
    if (/^\s*```/.test(line)) {
      fenced = !fenced
      return ""
    }
    return fenced || /^ {4}/.test(line) ? "" : line
  })
  return withoutCode(prose.join("\n"))
}

/** Whether a string reads as a sentence or as a part of one: three words of letters, and no SQL, code or table. */
const isSentence = (text) =>
  /[A-Za-z]{2,}[,;:]? [A-Za-z`]+[,;:]? [A-Za-z`]/.test(text) &&
  !/^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|GRANT|REVOKE|BEGIN|SET|SHOW|LOCK|DO|EXPLAIN|COPY|DECLARE|RESET)\b/.test(
    text
  ) &&
  !/\b(FROM|VALUES|WHERE|RETURNS|EXECUTE FUNCTION)\b[^.]*\b(AS|AND|WHERE|JOIN|VALUES|SET|IS|IN|ON)\b/.test(text) &&
  !/=>|\bconst \w+ =|\bimport \{|^\s*[{[<]|\$\d|::| \| .* \| /.test(text)

const titled = new Set(["it", "test", "describe", "layer"])

/** Whether a call names a test: `it("…")`, `test.skipIf(…)("…")`, `it.effect("…")`. */
const namesTest = (callee) => {
  if (callee.type === "Identifier") return titled.has(callee.name)
  if (callee.type === "MemberExpression") return namesTest(callee.object)
  return callee.type === "CallExpression" && namesTest(callee.callee)
}

const textOfTemplate = ({ expressions, quasis }) =>
  quasis
    .map(({ value }) => value.cooked ?? "")
    .map((text, index) => (index < expressions.length ? text + placeholder : text))
    .join("")

/** Returns the comments, sentences and titles of tests of a program. */
const textsOfProgram = (name, source) => {
  const { comments, program } = parseSync(name, source)
  const starts = [0]
  for (let at = source.indexOf("\n"); at !== -1; at = source.indexOf("\n", at + 1)) starts.push(at + 1)
  const lineAt = (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (starts[middle] <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
  const texts = []
  let last
  for (const { end, start, type, value } of comments) {
    const line = lineAt(start)
    // A directive of a tool.
    if (/^\s*(oxlint|eslint|@ts-|@effect-|prettier|!|#__PURE__|@__PURE__)/.test(value)) continue
    if (type === "Line" && last?.isLine && last.ends === line - 1) {
      last.value += `\n${value}`
      last.ends = line
    } else {
      last = { isLine: type === "Line", line, ends: lineAt(end), value }
      texts.push(last)
    }
  }
  const found = texts.map(({ line, value }) => ({ kind: "comment", line, text: textOfComment(value) }))
  const visit = (node, isTitle) => {
    if (Array.isArray(node)) {
      for (const each of node) visit(each, false)
      return
    }
    if (node === null || typeof node !== "object") return
    switch (node.type) {
      case "ImportDeclaration":
      case "TSLiteralType":
        return
      case "TaggedTemplateExpression":
        visit(node.quasi.expressions, false)
        return
      case "Literal":
      case "TemplateLiteral": {
        const text = node.type === "Literal" ? node.value : textOfTemplate(node)
        if (typeof text === "string" && (isTitle || isSentence(text))) {
          found.push({ kind: isTitle ? "title" : "string", line: lineAt(node.start), text: withoutCode(text) })
        }
        if (node.type === "TemplateLiteral") visit(node.expressions, false)
        return
      }
      case "JSXText":
        if (isSentence(node.value)) found.push({ kind: "string", line: lineAt(node.start), text: node.value })
        return
      case "CallExpression": {
        const isTest = namesTest(node.callee)
        visit(node.callee, false)
        for (const [index, each] of node.arguments.entries()) visit(each, isTest && index === 0)
        return
      }
      default:
        for (const key in node) if (key !== "type" && key !== "start" && key !== "end") visit(node[key], false)
    }
  }
  visit(program, false)
  return found.filter(({ text }) => text.trim() !== "")
}

/** Returns the comments of a shell script or of a configuration. */
const textsOfLines = (source) =>
  source.split("\n").flatMap((raw, index) => {
    const text = /^\s*#(?!!) ?(.*)$/.exec(raw)?.[1]
    return text === undefined || text === "" ? [] : [{ kind: "comment", line: index + 1, text: withoutCode(text) }]
  })

/** Returns the comments of a style sheet. */
const textsOfStyles = (source) =>
  [...source.matchAll(/\/\*([\s\S]*?)\*\//g)].map(({ 1: text, index }) => ({
    kind: "comment",
    line: source.slice(0, index).split("\n").length,
    text: textOfComment(text)
  }))

/** Returns the texts of a file. */
export const textsOf = (name, source) => {
  if (name.endsWith(".md")) return textsOfMarkdown(source)
  if (/\.(ts|tsx|mjs)$/.test(name)) return textsOfProgram(name, source)
  return name.endsWith(".css") ? textsOfStyles(source) : textsOfLines(source)
}

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitepress"
import { addressOf, collected } from "../lib/collect.mjs"
import { linksOfSite } from "../lib/linksOfSite.mjs"
import { entriesOf, readDecisions, readNavigation, root, slugify } from "../lib/pages.mjs"
import { modules } from "../lib/reference.mjs"

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const linkOf = (entry) => `/${addressOf(entry).replace(/(?:index)?\.md$/, "")}`

const moduleItems = modules.map((module) => ({ text: module.name, link: `/api/${module.name}/` }))

const itemOf = (item) => {
  if (item.items !== undefined) return { text: item.title, items: item.items.map(itemOf) }
  const entry = { text: item.title, link: linkOf(item) }
  return item.file === undefined ? { ...entry, collapsed: true, items: moduleItems } : entry
}

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")

const groups = readNavigation()

/** A reader's browser refuses everything from other origins. */
const policy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'self'"
].join("; ")

export default defineConfig({
  lang: "en",
  title: "Mosaic Backlog",
  description: "Documentation of Mosaic Backlog, a backlog of record for many concurrent workers",
  srcDir: collected,
  outDir: join(import.meta.dirname, "../dist"),
  cacheDir: join(import.meta.dirname, "cache"),
  metaChunk: true,
  vite: { build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 } },
  markdown: {
    anchor: { slugify },
    attrs: { disable: true },
    config: (markdown) => markdown.use(linksOfSite),
    languageAlias: { haproxy: "nginx", caddy: "nginx" },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" }
  },
  head: [["link", { rel: "icon", href: "data:," }]],
  transformHead: () => [["meta", { "http-equiv": "Content-Security-Policy", content: policy }]],
  themeConfig: {
    externalLinkIcon: true,
    nav: [
      ...groups.map((group) => ({
        text: group.title,
        link: linkOf(entriesOf(group)[0]),
        activeMatch: `^(?:${entriesOf(group)
          .map((entry) => {
            const link = escape(linkOf(entry))
            return link.endsWith("/") ? link : `${link}(?:\\.html)?$`
          })
          .join("|")})`
      })),
      { text: version, link: "/changelog" }
    ],
    sidebar: {
      "/decisions/": [
        {
          text: "Decisions",
          link: "/decisions/",
          items: readDecisions().map((group) => ({ ...itemOf(group), collapsed: true }))
        },
        { text: "All pages", link: "/contents" }
      ],
      "/": groups.map((group) => ({ ...itemOf(group), collapsed: false }))
    },
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        detailedView: true,
        miniSearch: { searchOptions: { boost: { title: 4, titles: 2, text: 1 } } },
        _render: (source, env, markdown) => {
          const html = markdown.render(source, env)
          if (env.frontmatter?.search === false) return ""
          // The names of the API are enough: its texts and types would be most of the index.
          return env.relativePath.startsWith("api/") ? (html.match(/<h[1-3][\s\S]*?<\/h[1-3]>/g) ?? []).join("") : html
        }
      }
    },
    docFooter: { prev: "Previous", next: "Next" }
  }
})

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

export const escapeText = (text) => String(text).replaceAll(/[&<>"]/g, (character) => escapes[character])

/** An element with attributes and content: other elements, or escaped text. */
export const element = (name, attributes, content = "") => {
  const text = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeText(value)}"`)
  return `<${name}${text.join("")}>${content}</${name}>`
}

export const text = (x, y, content, attributes = {}) =>
  element("text", { x, y, fill: "currentColor", ...attributes }, escapeText(content))

/**
 * A picture. Text and lines are dark in a light color scheme and light in a dark one, on a background of their own, since the
 * page may have another scheme than the system.
 */
export const picture = (width, height, title, content) =>
  element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "font-family": "system-ui, sans-serif",
      "font-size": 13
    },
    [
      element("title", {}, escapeText(title)),
      "<style>svg { color: #24292f } #ground { fill: #ffffff } @media (prefers-color-scheme: dark) " +
        "{ svg { color: #d0d7de } #ground { fill: #0d1117 } }</style>",
      element("rect", { id: "ground", width, height }),
      text(16, 28, title, { "font-size": 17, "font-weight": 600 }),
      ...content
    ].join("\n")
  ) + "\n"

/** Formats a number as a label. */
export const label = (value) =>
  value.toLocaleString("en", { maximumFractionDigits: value < 1 ? 2 : value < 100 ? 1 : 0 })

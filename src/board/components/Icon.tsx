/*
 * Icons of 16 by 16 pixels, drawn with lines of 1.5 pixels in the color of the text. A word is always next to an icon, or is its
 * label, so screen readers skip the drawing.
 */
const paths = {
  board: "M2.5 3h3v10h-3zM6.5 3h3v6h-3zM10.5 3h3v8h-3z",
  claims: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.4-2.6 2.4-4 5-4s4.6 1.4 5 4",
  graph:
    "M4 5.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM12 9.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4 13.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM5.5 4.3 10.6 7.300M5.5 11.7 10.6 8.7",
  time: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.500V8l2.5 1.5",
  trust: "M8 1.8 13 3.600v4c0 3.2-2.1 5.4-5 6.6-2.9-1.2-5-3.4-5-6.600v-4zM5.7 8l1.7 1.7 3-3.2",
  flow: "M2 12.5 6 8l3 2.500L14 4M10.5 4H14v3.5",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8 14 14",
  claimable: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 9.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  claimed: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.5 5.500v5l4-2.500z",
  expired: "M8 2.2 14.3 13.200H1.700zM8 6.500v3M8 11.200v.4",
  deferred: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.800V8h3",
  waiting: "M4 2.500h8M4 13.500h8M5 2.500c0 3 3 4 3 5.500s-3 2.5-3 5.500M11 2.500c0 3-3 4-3 5.500s3 2.5 3 5.5",
  blocked: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM3.9 3.900l8.2 8.2",
  done: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.3 8.200l1.9 1.9 3.5-4",
  missing: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.3 6.500a1.7 1.7 0 1 1 2.4 1.600c-.5.2-.7.6-.7 1.100M8 11.200v.3",
  close: "M4 4l8 8M12 4l-8 8",
  expand: "M9.5 2.500h4v4M13.5 2.5 9 7M6.5 13.500h-4v-4M2.5 13.5 7 9",
  theme: "M8 13.500a5.5 5.5 0 1 0 0-11zM8 2.500a5.5 5.5 0 0 0 0 11",
  keyboard: "M1.5 4h13v8h-13zM4 6.500h.1M6.7 6.500h.1M9.3 6.500h.1M12 6.500h.1M5 9.500h6",
  copy: "M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3",
  add: "M8 3v10M3 8h10",
  remove: "M3 8h10",
  edit: "M3 13l.7-3L10.5 3.200l2.3 2.300L6 12.300zM9 4.700l2.3 2.3",
  refresh: "M13 8a5 5 0 1 1-1.5-3.500M13 2.500v2.500h-2.5",
  note: "M3 2.500h10v8l-3 3H3zM5.5 5.500h5M5.5 8h3",
  link: "M6.5 9.500l3-3M7 4.500l1.2-1.200a2.8 2.8 0 0 1 4 4L11 8.500M9 11.500l-1.2 1.200a2.8 2.8 0 0 1-4-4L5 7.5",
  offline: "M2 6c3.5-3 8.5-3 12 0M4.5 8.700c2-1.8 5-1.8 7 0M8 12h.1M2.5 2.500l11 11",
  lock: "M3.5 7.500h9v6h-9zM5.5 7.500v-2a2.5 2.5 0 0 1 5 0v2",
  alert: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.500M8 10.800v.3",
  star: "M8 2l1.8 3.8 4.2.5-3.1 2.9.8 4.100L8 11.300l-3.7 2 .8-4.100L2 6.300l4.2-.500z",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  left: "M10 4 6 8l4 4",
  first: "M11.5 4l-4 4 4 4M4.5 4v8",
  last: "M4.5 4l4 4-4 4M11.5 4v8",
  play: "M5 3.500v9l7-4.500z",
  pause: "M5.5 3.500v9M10.5 3.500v9",
  compare: "M6.5 2.500h-4v11h4M9.5 2.500h4v11h-4M8 1.500v13"
} as const

/** The name of an icon. */
export type IconName = keyof typeof paths

/** An icon of the page, hidden from screen readers. */
export const Icon = ({ name }: { readonly name: IconName }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
)

const names: Readonly<Record<string, string>> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc"
}

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

const nameOf = (key: string): string =>
  key.startsWith("Mod+") ? `${isMac ? "⌘" : "Ctrl"} ${key.slice(4).toUpperCase()}` : (names[key] ?? key)

/** The keys of an action. */
export const Keys = ({ keys }: { readonly keys: string }) => (
  <span class="keys">
    {keys.split(" ").map((key, index) => (
      <kbd key={index}>{nameOf(key)}</kbd>
    ))}
  </span>
)

import { follow, head, isFollower } from "../api/follow.ts"
import { now } from "../api/serverClock.ts"
import { session } from "../api/session.ts"
import { forgetToken, token } from "../api/token.ts"
import { formatBriefDuration } from "../components/durations.ts"
import { Icon } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"
import { SearchField } from "../search/SearchField.tsx"
import { showDialog } from "./dialogs.ts"
import { chooseNextTheme, theme } from "./theme.ts"

/** The search field, the state of the connection, and what concerns the whole page. */
export const Header = () => (
  <header class="header">
    <SearchField />
    <button
      type="button"
      class="quiet"
      onClick={() => {
        showDialog("saved")
      }}
      title="Saved views (v)"
      aria-label="Saved views"
    >
      <Icon name="star" />
    </button>
    <span class="header-space" />
    <FollowState />
    <Account />
    <button
      type="button"
      class="quiet"
      onClick={chooseNextTheme}
      title={`Colors: ${theme.value} (t)`}
      aria-label={`Colors: ${theme.value}. Change`}
    >
      <Icon name="theme" />
    </button>
    <button
      type="button"
      class="quiet"
      onClick={() => {
        showDialog("keys")
      }}
      title="Keys (?)"
      aria-label="Keys"
    >
      <Icon name="keyboard" />
    </button>
  </header>
)

/** Whether the page is up to date, as an icon and a word. */
const FollowState = () => {
  const state = follow.value
  const position = `position ${formatNumber(head.value)}`
  if (session.value._tag !== "Open") return null
  switch (state._tag) {
    case "Connecting":
      return <span class="follow">Connecting…</span>
    case "Live":
      return (
        <span
          class="follow live"
          title={`Up to date, at ${position}. ${isFollower.value ? "This tab reads" : "Another tab reads"} the events.`}
        >
          <i aria-hidden="true" /> Live
        </span>
      )
    case "Retrying":
      return (
        <span class="follow offline" role="status" title={`The last known event is at ${position}.`}>
          <Icon name="offline" /> Offline for {formatBriefDuration((now.value - state.since) / 1000)}
        </span>
      )
  }
}

/** Shows the caller, and forgets the token on request. */
const Account = () => {
  const state = session.value
  if (state._tag !== "Open" || token.value === undefined) return null
  const { actor, role } = state.caller
  return (
    <span class="account">
      <span title={`Role: ${role}`}>
        <b dir="auto">{actor ?? role}</b>
      </span>
      <button type="button" class="quiet" onClick={forgetToken} title="Forget the token" aria-label="Forget the token">
        <Icon name="lock" />
      </button>
    </span>
  )
}

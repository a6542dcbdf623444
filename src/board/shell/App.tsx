import type { ComponentChildren } from "preact"
import { useEffect } from "preact/hooks"
import { openSession, session } from "../api/session.ts"
import { CardPanel } from "../card/CardView.tsx"
import { openCommand } from "../commands/openCommand.ts"
import { FailureNotice, Loading, Notice } from "../components/Condition.tsx"
import { Icon } from "../components/Icon.tsx"
import { Lazy } from "../components/Lazy.tsx"
import { alarm } from "../trust/alarm.ts"
import { AlarmBar } from "../trust/AlarmBar.tsx"
import { savedViews } from "../search/savedViews.ts"
import { closeDialog, openDialog, showDialog } from "./dialogs.ts"
import { Header } from "./Header.tsx"
import { type Action, useActions } from "./keys.ts"
import { hrefTo, moment, navigate, openCard, route } from "./location.ts"
import { MomentBanner } from "./MomentBanner.tsx"
import { SignIn } from "./SignIn.tsx"
import { chooseNextTheme } from "./theme.ts"
import { toast } from "./toast.ts"
import { type View, views } from "./views.ts"

const loadPalette = () => import("./Palette.tsx")
const loadSavedViews = () => import("../search/SavedViews.tsx")
const loadCommand = () => import("../commands/CommandDialog.tsx")
const loadKeyList = () => import("./KeyList.tsx")

/** The page: navigation, header, the view of the URL, and the card next to it. */
export const App = () => {
  useActions(shellActions, [])
  useActions(savedViewActions, [savedViews.value])
  const view = views.find(({ name }) => name === route.value.view)
  const card = openCard.value
  const dialog = openDialog.value
  useEffect(() => {
    document.title = `${view?.title ?? "Not found"} · Mosaic Backlog`
  }, [view])
  return (
    <div class="app">
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <Navigation />
      <Header />
      <div class="bars">
        {alarm.value !== undefined && <AlarmBar alarm={alarm.value} />}
        {moment.value !== undefined && <MomentBanner at={moment.value} />}
      </div>
      <div class={card !== undefined && view?.name !== "card" ? "stage with-panel" : "stage"}>
        <main id="main" tabIndex={-1} aria-label={view?.title}>
          {view?.name !== "card" && <h1 class="visually-hidden">{view?.title ?? "Not found"}</h1>}
          <SessionGate>{view === undefined ? <UnknownView /> : <ViewBody key={view.name} view={view} />}</SessionGate>
        </main>
        {card !== undefined && view?.name !== "card" && session.value._tag === "Open" && (
          <CardPanel key={card} id={card} />
        )}
      </div>
      {dialog?.name === "palette" && <Lazy key={dialog.number} load={loadPalette} what="the palette" />}
      {dialog?.name === "keys" && <Lazy key={dialog.number} load={loadKeyList} what="the list of keys" />}
      {dialog?.name === "saved" && <Lazy key={dialog.number} load={loadSavedViews} what="the saved views" />}
      {openCommand.value !== undefined && <Lazy load={loadCommand} what="the form" />}
      <ToastLine />
    </div>
  )
}

/** What the reader just did. It is a live region, so it is in the document before it has a text. */
const ToastLine = () => {
  const message = toast.value
  return (
    <div role="status" class={message === undefined ? "" : "toast"}>
      {message !== undefined && (
        <>
          <span dir="auto">{message.text}</span>
          {message.card !== undefined && <a href={hrefTo({ parameters: { card: message.card } })}>Show card</a>}
        </>
      )}
    </div>
  )
}

const skipToMain = (event: Event): void => {
  event.preventDefault()
  document.querySelector<HTMLElement>("#main")?.focus()
}

/** Shows its children while the session is open; otherwise what is missing. */
const SessionGate = ({ children }: { readonly children: ComponentChildren }) => {
  const state = session.value
  switch (state._tag) {
    case "Opening":
      return <Loading what="the board" lines={6} />
    case "SignedOut":
      return <SignIn failure={state.failure} />
    case "Failed":
      return <FailureNotice failure={state.failure} onRetry={openSession} />
    case "Open":
      return <>{children}</>
  }
}

const ViewBody = ({ view }: { readonly view: View }) => {
  const { component: Component, load } = view
  if (Component !== undefined) return <Component />
  return load === undefined ? null : <Lazy load={load} what={view.title} />
}

const UnknownView = () => (
  <Notice icon="missing" title="There is no such view" action={<a href={hrefTo({ view: "board" })}>Show the board</a>}>
    The address names the view “{route.value.view}”. A newer version of the server may have it.
  </Notice>
)

const Navigation = () => (
  <nav class="navigation" aria-label="Views">
    <a class="brand" href={hrefTo({ view: "board", parameters: { q: undefined, card: undefined, at: undefined } })}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M1 1h6v6H1zM9 1h6v10H9zM1 9h6v6H1zM9 13h6v2H9z" />
      </svg>
      <span class="visually-hidden">Mosaic Backlog</span>
    </a>
    {views.map(
      ({ icon, keys, name, title }) =>
        keys !== undefined && (
          <a
            key={name}
            href={hrefTo({ view: name })}
            aria-current={route.value.view === name ? "page" : undefined}
            title={`${title} (${keys})`}
          >
            <Icon name={icon} />
            <span>{title}</span>
          </a>
        )
    )}
  </nav>
)

const shellActions = (): ReadonlyArray<Action> => [
  ...views.flatMap(({ keys, name, title }): ReadonlyArray<Action> =>
    keys === undefined ? [] : [{ keys, label: `Show ${title}`, group: "Views", run: () => navigate({ view: name }) }]
  ),
  {
    keys: "Mod+k",
    label: "Find a card or an action",
    group: "Everywhere",
    run: () => {
      showDialog("palette")
    }
  },
  {
    keys: "/",
    label: "Search",
    group: "Everywhere",
    run: () => document.querySelector<HTMLInputElement>("#search")?.focus()
  },
  {
    keys: "v",
    label: "Show the saved views",
    group: "Everywhere",
    run: () => {
      showDialog("saved")
    }
  },
  { keys: "t", label: "Change the colors", group: "Everywhere", run: chooseNextTheme },
  {
    label: "Return to now",
    group: "Everywhere",
    run: () => navigate({ parameters: { at: undefined } })
  },
  {
    keys: "?",
    label: "List all keys",
    group: "Everywhere",
    run: () => {
      if (openDialog.peek()?.name === "keys") closeDialog()
      else showDialog("keys")
    }
  },
  { keys: "Escape", label: "Close", group: "Everywhere", run: () => closeDialog() }
]

const savedViewActions = (): ReadonlyArray<Action> =>
  savedViews.value.map(({ fragment, name }) => ({
    label: name,
    group: "Saved view",
    run: () => {
      location.hash = fragment
    }
  }))

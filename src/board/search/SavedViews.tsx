import { useState } from "preact/hooks"
import { Icon } from "../components/Icon.tsx"
import { closeDialog } from "../shell/dialogs.ts"
import { hrefTo } from "../shell/location.ts"
import { ShellDialog } from "../shell/ShellDialog.tsx"
import { describeView, forgetView, savedViews, saveView } from "./savedViews.ts"

/** The views that the reader has saved in this browser, and the way to save the current one. */
const SavedViews = () => {
  const [name, setName] = useState("")
  const current = hrefTo({ parameters: { card: undefined } })
  const isTaken = savedViews.value.some((each) => each.name === name.trim())
  return (
    <ShellDialog title="Saved views">
      {savedViews.value.length === 0 ? (
        <p class="hint">No view is saved in this browser.</p>
      ) : (
        <ul class="saved-views">
          {savedViews.value.map((view) => (
            <li key={view.name}>
              <a href={view.fragment} onClick={() => closeDialog()} dir="auto">
                {view.name}
              </a>
              <span class="hint" dir="auto">
                {describeView(view)}
              </span>
              <button type="button" class="quiet" onClick={() => forgetView(view.name)}>
                <Icon name="close" />
                <span class="visually-hidden">Forget {view.name}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <form
        class="save-view"
        onSubmit={(event) => {
          event.preventDefault()
          if (name.trim() === "") return
          saveView(name.trim(), current)
          setName("")
        }}
      >
        <div class="field">
          <label htmlFor="view-name">Save the current view as</label>
          <input
            id="view-name"
            type="text"
            maxLength={80}
            autofocus
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
          <p class="hint">{describeView({ name, fragment: current })}</p>
        </div>
        <button type="submit" class="primary" disabled={name.trim() === ""}>
          {isTaken ? "Replace" : "Save"}
        </button>
      </form>
    </ShellDialog>
  )
}

export default SavedViews

import { useState } from "preact/hooks"
import type { ApiFailure } from "../api/request.ts"
import { setToken, token } from "../api/token.ts"
import { Icon } from "../components/Icon.tsx"

/** Asks for an access token, because the server requires one or does not accept the given one. */
export const SignIn = ({ failure }: { readonly failure: ApiFailure }) => {
  const [value, setValue] = useState("")
  const [keep, setKeep] = useState(false)
  return (
    <form
      class="sign-in"
      onSubmit={(event) => {
        event.preventDefault()
        if (value.trim() !== "") setToken(value.trim(), keep)
      }}
    >
      <Icon name="lock" />
      <h1>Access token</h1>
      <p>This server requires a token. Create one with:</p>
      <pre>backlog token create --actor me --role orchestrator</pre>
      {token.value !== undefined && (
        <p class="bad" role="alert">
          {failure.message}
        </p>
      )}
      <label>
        Token
        <input
          type="password"
          autocomplete="off"
          spellcheck={false}
          placeholder="mbk_…"
          required
          autofocus
          value={value}
          onInput={({ currentTarget }) => setValue(currentTarget.value)}
        />
      </label>
      <label class="check">
        <input type="checkbox" checked={keep} onChange={({ currentTarget }) => setKeep(currentTarget.checked)} />
        Keep it in this tab until the tab is closed
      </label>
      <p class="hint">Otherwise the token is in memory only, and a reload asks for it again.</p>
      <button type="submit" class="primary">
        Open the board
      </button>
    </form>
  )
}

import { Keys } from "../components/Keys.tsx"
import { ShellDialog } from "./ShellDialog.tsx"
import { type Action, currentActions } from "./keys.ts"

/** Every key that does something on the page as it is. */
const KeyList = () => {
  const groups = new Map<string, Map<string, ReadonlyArray<Action>>>()
  for (const action of currentActions()) {
    if (action.keys === undefined) continue
    const group = groups.get(action.group) ?? new Map<string, ReadonlyArray<Action>>()
    groups.set(action.group, group.set(action.label, [...(group.get(action.label) ?? []), action]))
  }
  return (
    <ShellDialog title="Keys" className="key-list">
      <div class="key-groups">
        {Array.from(groups, ([title, labels]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {Array.from(labels, ([label, actions]) => (
                <div key={label}>
                  <dt>{label}</dt>
                  <dd>
                    {actions.map(({ keys = "" }, index) => (
                      <span key={keys}>
                        {index > 0 && <span class="hint">or </span>}
                        <Keys keys={keys} />
                      </span>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </ShellDialog>
  )
}

export default KeyList

import { CopyButton } from '../copy-button.tsx'

/** A secret that the backend tells once. */
export function Secret({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div className="secret" role="status">
      <p>{name} Copy it now: it is not shown again.</p>
      <div className="row">
        <code>{value}</code>
        <CopyButton text={value} label="Copy the secret" />
      </div>
    </div>
  )
}

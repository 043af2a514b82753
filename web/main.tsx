import './keep-policy.ts'
import './style/tokens.css'
import './style/forms.css'
import './style/layout.css'
import './style/chat.css'
import './style/markdown.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { BackendContext, connect } from './backend.ts'
import { comeBack } from './come-back.ts'
import { explain } from './explain.ts'
import { Notice } from './notice.tsx'

comeBack()
const element = document.getElementById('root')
if (!element) throw new Error('the page has no root')
const root = createRoot(element)
connect().then(
  (backend) =>
    root.render(
      <StrictMode>
        <BackendContext value={backend}>
          <App />
        </BackendContext>
      </StrictMode>,
    ),
  (error: unknown) =>
    root.render(
      <main className="narrow">
        <Notice text={explain(error)} action="Try again" onAction={() => location.reload()} />
      </main>,
    ),
)

import { memo } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import remend from 'remend'
import { CodeBlock } from './code-block.tsx'
import { Link } from './link.tsx'
import { Picture } from './picture.tsx'
import { splitBlocks } from './split-blocks.ts'

interface MarkdownProps {
  readonly text: string
  /** More of it comes: what is open at its end is shown as if it were closed. */
  readonly isStreaming: boolean
}

/** The page has its own first and second headings. */
const components: Components = {
  a: ({ href, children }) => <Link href={href}>{children}</Link>,
  img: ({ src, alt }) => <Picture src={src} alt={alt} />,
  pre: ({ node }) => <CodeBlock node={node} />,
  table: ({ children }) => (
    <div className="wide" role="group" aria-label="Table" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }) => (
    <input type="checkbox" checked={checked} disabled aria-label={checked ? 'Done' : 'To do'} />
  ),
  h1: ({ children }) => <h2>{children}</h2>,
  h2: ({ children }) => <h3>{children}</h3>,
  h3: ({ children }) => <h4>{children}</h4>,
  h4: ({ children }) => <h5>{children}</h5>,
  h5: ({ children }) => <h6>{children}</h6>,
}

const plugins = [remarkGfm]

/** Shows Markdown. Only the block that grows is parsed again; HTML in it is shown as its text. */
export function Markdown({ text, isStreaming }: MarkdownProps) {
  const blocks = splitBlocks(text)
  return blocks.map((block, index) => {
    const grows = isStreaming && index === blocks.length - 1
    return <Block key={index} text={grows ? remend(block) : block} />
  })
}

const Block = memo(function Block({ text }: { readonly text: string }) {
  return (
    // Link and Picture look at addresses themselves.
    <ReactMarkdown remarkPlugins={plugins} components={components} urlTransform={(url) => url}>
      {text}
    </ReactMarkdown>
  )
})

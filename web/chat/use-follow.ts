import { type RefObject, useCallback, useEffect, useRef, useState } from 'react'

/** Pixels from the end that still count as the end. */
const near = 48

export interface Follow {
  /** What scrolls. */
  readonly box: RefObject<HTMLDivElement | null>
  /** What grows in it. */
  readonly content: RefObject<HTMLDivElement | null>
  readonly isAtEnd: boolean
  readonly onScroll: () => void
  readonly toEnd: () => void
}

/** Keeps the end of a growing text in view, until the person scrolls up. */
export function useFollow(): Follow {
  const box = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const last = useRef(0)
  const follows = useRef(true)
  const [isAtEnd, setIsAtEnd] = useState(true)

  const stay = useCallback(() => {
    const element = box.current
    if (element && follows.current) element.scrollTop = element.scrollHeight
  }, [])
  const onScroll = useCallback(() => {
    const element = box.current
    if (!element) return
    const { scrollTop, scrollHeight, clientHeight } = element
    const isNear = scrollHeight - scrollTop - clientHeight < near
    // What is added moves the end away; only the person moves up.
    if (isNear) follows.current = true
    else if (scrollTop < last.current) follows.current = false
    last.current = scrollTop
    setIsAtEnd(isNear || follows.current)
  }, [])
  const toEnd = useCallback(() => {
    follows.current = true
    setIsAtEnd(true)
    stay()
  }, [stay])

  useEffect(() => {
    const observer = new ResizeObserver(stay)
    if (content.current) observer.observe(content.current)
    if (box.current) observer.observe(box.current)
    return () => observer.disconnect()
  }, [stay])
  return { box, content, isAtEnd, onScroll, toEnd }
}

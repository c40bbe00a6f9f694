/** Makes elements, icons, and texts out of numbers. Knows nothing of the shop. */

/**
 * An element: `h('button', { class: 'add', onclick: work, 'data-testid': 'add' }, 'Add')`. Children may be nodes, texts,
 * lists of them, or null. Texts become text nodes: nothing is ever parsed as HTML.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(2).filter(child => child !== null && child !== undefined && child !== false))
  return element
}

const SHAPES = {
  back: 'M15 5l-7 7 7 7',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 7v5l3.5 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  bag: 'M6 8h12l1 12H5zM9 8V7a3 3 0 0 1 6 0v1',
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
  erase: 'M9 6h11v12H9l-6-6zM12 10l4 4M16 10l-4 4',
  wallet: 'M4 7h15a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1zM4 7l11-3v3M16 13h.01',
  card: 'M3 6h18v12H3zM3 10h18M7 15h3',
  next: 'M9 6l6 6-6 6',
  bang: 'M12 5v9M12 18.5h.01',
  clear: 'M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12',
  reload: 'M20 11a8 8 0 1 0-2 6M20 5v6h-6'
}

/** A line icon in the colour of the text, silent for screen readers. */
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  const attributes = { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', focusable: 'false' }
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value)
  const path = document.createElementNS(space, 'path')
  path.setAttribute('d', SHAPES[name])
  svg.append(path)
  return svg
}

/** 2800 -> '28.00', by integers alone. */
export function yuan(fen) {
  const rest = fen % 100
  return `${(fen - rest) / 100}.${String(rest).padStart(2, '0')}`
}

export function money(fen) {
  return h('span', { class: 'money' }, h('small', {}, '¥'), yuan(fen))
}

/** '2026-11-21T07:10:00+08:00' -> '2026-11-21 07:10', as the shop's clock showed it. */
export function moment(time) {
  return time ? time.slice(0, 16).replace('T', ' ') : ''
}

/** Milliseconds -> '29:05'. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

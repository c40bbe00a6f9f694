/**
 * The diagram: an ordered list of messages, drawn as arrows between three lanes. A message is drawn once, when it comes,
 * and opens at a click or Enter; the arrow keys walk along. It shows what it is given and asks nobody.
 */
import { h, icon } from './dom.js'
import { detailOf } from './detail.js'
import { t } from './i18n.js'

const MOST = 2000 // messages that are kept on the screen
const NEAR = 60 // px from the end: who looks at the newest goes on doing so
const MARKS = { good: 'check', bad: 'close', lost: 'close', odd: 'bang' }
const KEYS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }

export class Wire {
  constructor() {
    this.messages = []
    this.items = new WeakMap() // message -> its list item
    this.list = h('ol', { class: 'wire', onkeydown: event => this.key(event) })
    this.empty = h('p', { class: 'wire-empty' })
    this.host = h('div', { class: 'wire-scroll', onscroll: () => this.scrolled() }, this.empty, this.list)
    this.following = true
    this.top = 0 // where it was scrolled to
  }

  /** In the order of time: answers of two servers may reach this page in another. */
  add(...messages) {
    for (const message of messages) {
      const before = this.messages.findLastIndex(other => other.at <= message.at) + 1
      const next = this.messages[before]
      this.messages.splice(before, 0, message)
      const item = this.item(message)
      this.items.set(message, item)
      this.list.insertBefore(item, next ? this.items.get(next) : null)
    }
    while (this.messages.length > MOST) this.items.get(this.messages.shift()).remove()
    this.settle()
  }

  clear() {
    this.messages = []
    this.list.replaceChildren()
    this.settle()
  }

  /** Everything once more: the language has changed. */
  draw() {
    const messages = this.messages
    this.clear()
    this.list.setAttribute('aria-label', t('wire_list'))
    this.empty.textContent = t('wire_empty')
    this.add(...messages)
  }

  /** Once a frame, however many came: one stop for the Tab key, and the newest in sight if it was. */
  settle() {
    if (this.frame) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      this.empty.hidden = this.messages.length > 0
      if (!this.list.querySelector('.row[tabindex="0"]')) this.stop(this.list.querySelector('.row'))
      if (this.following) this.host.scrollTop = this.host.scrollHeight
    })
  }

  /** From here on the newest stays in sight. */
  follow() {
    this.following = true
    this.host.parentElement.scrollIntoView({ block: 'nearest' })
    this.settle()
  }

  /** Who scrolls back, or opens a message, is left in peace. */
  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.host
    if (scrollTop < this.top) this.following = false
    else if (scrollHeight - scrollTop - clientHeight < NEAR) this.following = true
    this.top = scrollTop
  }

  // --- one message ----------------------------------------------------------------------------------------------

  item(message) {
    if (message.note) return h('li', { class: `note ${message.end}`, 'data-testid': 'wire-note' }, h('b', {}, t(message.name)), ' ', t(message.note, message.values))
    const { from, to, end, answer, name, values, sub, why, at } = message
    const row = h(
      'button',
      { class: 'row', type: 'button', tabindex: '-1', 'aria-expanded': 'false', onclick: () => this.toggle(message) },
      h('time', {}, clock(at)),
      h(
        'span',
        { class: 'arrow' },
        h('span', { class: 'unseen' }, `${t(`lane_${from}`)} → ${t(`lane_${to}`)}: `),
        h('span', { class: 'label' }, h('b', {}, t(name, shown(name, values))), sub ? h('code', {}, sub) : null),
        h('span', { class: 'line' }, end ? h('i', { class: 'end' }, icon(MARKS[end])) : null),
        end ? h('span', { class: 'unseen' }, t(`end_${end}`)) : null
      ),
      why ? h('span', { class: 'why' }, t(why[0], why[1])) : null
    )
    return h('li', { class: ['message', `${from}-${to}`, answer ? 'answer' : 'ask', end].join(' ').trim(), 'data-name': name }, row)
  }

  toggle(message) {
    const item = this.items.get(message)
    const row = item.firstChild
    const open = row.getAttribute('aria-expanded') === 'true'
    row.setAttribute('aria-expanded', String(!open))
    if (open) item.lastChild.remove()
    else item.append(detailOf(message))
    if (!open) item.scrollIntoView({ block: 'nearest' })
    this.following = false
    this.stop(row)
  }

  /** WeChat has looked at a paySign: the answer that bore it can now say what was signed. */
  explain({ signed, body }) {
    const message = signed && this.messages.findLast(({ name, part }) => name === 'a_paysign' && body.includes(signed.signature) && part.body.includes(signed.signature))
    if (!message) return
    message.part.signed = signed
    const item = this.items.get(message)
    if (item.childElementCount > 1) item.lastChild.replaceWith(detailOf(message))
  }

  // --- the keyboard ---------------------------------------------------------------------------------------------

  key(event) {
    const step = KEYS[event.key]
    if (!step || !event.target.matches('.row')) return
    event.preventDefault()
    const rows = [...this.list.querySelectorAll('.row')]
    const at = rows.indexOf(event.target) + step
    const next = rows[Math.min(rows.length - 1, Math.max(0, at))]
    this.stop(next)
    next.focus()
  }

  stop(row) {
    const old = this.list.querySelector('.row[tabindex="0"]')
    if (old) old.tabIndex = -1
    if (row) row.tabIndex = 0
  }
}

/** An order's status in the language of the page. */
function shown(name, values) {
  return name === 'a_status' ? { status: t(`status_${values.status}`) } : values
}

function clock(at) {
  const date = new Date(at)
  const two = number => String(number).padStart(2, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/**
 * The cashier sheet as WeChat shows it: amount, payee, method, six digits. It asks `decide(outcome)` what came of it
 * ('ok', 'fail' or 'cancel' -> errMsg) and resolves to that. It must not know orders or servers.
 */
import { h, icon, money } from './dom.js'
import { t } from './i18n.js'

const DIGITS = 6
const SHOW_RESULT = 1600 // ms; long enough to read, and in life the notification travels meanwhile
const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '', '0', 'erase']

/** Opens the sheet in `host`; everything in `behind` cannot be reached until it is gone. */
export function openCashier(host, behind, { amountFen, decide }) {
  return new Promise(resolve => new Cashier(host, behind, amountFen, decide, resolve).open())
}

class Cashier {
  constructor(host, behind, amountFen, decide, resolve) {
    Object.assign(this, { host, behind, amountFen, decide, resolve })
    this.digits = 0
    this.method = 'balance'
    this.stage = 'password' // then 'working', then 'success' or 'declined'
    this.errMsg = ''
  }

  open() {
    this.returnTo = document.activeElement
    this.sheet = h('div', {
      class: 'sheet',
      role: 'dialog',
      'aria-labelledby': 'cashier-title',
      tabindex: '-1',
      'data-testid': 'cashier',
      onkeydown: event => this.key(event)
    })
    this.host.replaceChildren(h('div', { class: 'veil' }), this.sheet)
    for (const element of this.behind) element.inert = true
    this.draw()
    this.sheet.focus()
  }

  finish() {
    clearTimeout(this.timer)
    for (const element of this.behind) element.inert = false
    this.host.replaceChildren()
    if (this.returnTo && this.returnTo.isConnected) this.returnTo.focus()
    this.resolve(this.errMsg)
  }

  async cancel() {
    if (this.stage !== 'password') return this.stage === 'working' ? undefined : this.finish()
    this.stage = 'working'
    this.errMsg = await this.ask('cancel')
    this.finish()
  }

  type(digit) {
    if (this.stage !== 'password' || this.digits === DIGITS) return
    this.digits += 1
    this.draw()
    if (this.digits === DIGITS) this.submit()
  }

  erase() {
    if (this.stage !== 'password') return
    this.digits = Math.max(0, this.digits - 1)
    this.draw()
  }

  async submit() {
    this.stage = 'working'
    this.draw()
    this.errMsg = await this.ask(this.method === 'balance' ? 'ok' : 'fail')
    this.stage = this.errMsg === 'requestPayment:ok' ? 'success' : 'declined'
    this.draw()
    if (this.stage === 'success') this.timer = setTimeout(() => this.finish(), SHOW_RESULT)
  }

  /** A sheet that cannot reach WeChat still ends in a callback. */
  ask(outcome) {
    return this.decide(outcome).catch(error => `requestPayment:fail ${error.message}`)
  }

  key(event) {
    if (event.key === 'Escape') this.cancel()
    else if (/^[0-9]$/.test(event.key)) this.type(event.key)
    else if (event.key === 'Backspace') this.erase()
    else if (event.key === 'Tab') this.keepFocus(event)
    else return
    if (event.key !== 'Tab') event.preventDefault()
  }

  keepFocus(event) {
    const reachable = [...this.sheet.querySelectorAll('button')]
    const edge = event.shiftKey ? reachable[0] : reachable[reachable.length - 1]
    const from = document.activeElement
    if (from !== edge && from !== this.sheet) return
    event.preventDefault()
    const target = event.shiftKey ? reachable[reachable.length - 1] : reachable[0]
    if (target) target.focus()
  }

  draw() {
    const focused = document.activeElement && document.activeElement.dataset.testid
    const body = this.stage === 'password' ? this.passwordStage() : this.resultStage()
    this.sheet.dataset.stage = this.stage
    this.sheet.replaceChildren(this.head(), ...body)
    const again = focused && this.sheet.querySelector(`[data-testid="${focused}"]`)
    const first = this.sheet.querySelector('.wide') || this.sheet
    ;(again || first).focus()
  }

  head() {
    const closed = { class: 'plain', 'aria-label': t('cashier_close'), 'data-testid': 'cashier-close' }
    return h(
      'div',
      { class: 'sheet-head' },
      this.stage === 'working' ? null : h('button', { ...closed, type: 'button', onclick: () => this.cancel() }, icon('close')),
      h('h2', { id: 'cashier-title' }, t('cashier'))
    )
  }

  passwordStage() {
    const boxes = Array.from({ length: DIGITS }, (_, n) => h('i', { class: n < this.digits ? 'full' : '' }))
    const label = t('password', { n: this.digits })
    return [
      h('p', { class: 'payee' }, t('cashier_to', { shop: t('shop') })),
      h('p', { class: 'sum', 'data-testid': 'cashier-amount' }, money(this.amountFen)),
      this.methodRow(),
      h('div', { class: 'boxes', role: 'img', 'aria-label': label }, boxes),
      h('p', { class: 'hint' }, t('password_hint')),
      h('p', { class: 'unseen', role: 'status' }, label),
      h('div', { class: 'keys' }, KEYS.map(name => this.keyButton(name)))
    ]
  }

  methodRow() {
    const balance = this.method === 'balance'
    const change = () => {
      this.method = balance ? 'empty' : 'balance'
      this.draw()
    }
    return h(
      'button',
      { class: 'method', type: 'button', 'data-testid': 'method', title: t('method_change'), onclick: change },
      h('span', {}, t('method')),
      h('span', { class: 'chosen' }, icon(balance ? 'wallet' : 'card'), t(balance ? 'method_balance' : 'method_empty'), icon('next'))
    )
  }

  keyButton(name) {
    if (!name) return h('span', { class: 'key blank' })
    const erase = name === 'erase'
    const work = () => (erase ? this.erase() : this.type(name))
    const attributes = { class: erase ? 'key blank' : 'key', type: 'button', 'data-testid': `key-${name}`, onclick: work }
    return h('button', { ...attributes, 'aria-label': erase ? t('erase') : null }, erase ? icon('erase') : name)
  }

  resultStage() {
    const reason = this.errMsg.replace(/^requestPayment:fail\s*/, '')
    const words = { working: t('working'), success: t('success'), declined: t('declined') }
    const mark = { working: null, success: icon('check'), declined: icon('close') }
    return [
      h('div', { class: `mark ${this.stage}` }, mark[this.stage]),
      h('p', { class: 'result', role: 'status' }, words[this.stage]),
      this.stage === 'declined' ? h('p', { class: 'reason' }, reason) : h('p', { class: 'sum' }, money(this.amountFen)),
      this.stage === 'working'
        ? null
        : h('button', { class: 'wide', type: 'button', 'data-testid': 'cashier-done', onclick: () => this.finish() }, t('done'))
    ].filter(Boolean)
  }
}

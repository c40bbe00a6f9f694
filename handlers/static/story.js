/**
 * The panel beside the phone: what is going on, step by step. It only watches what passes through the `wx` shim, and
 * lights a step when the message behind it has really been answered.
 */
import { h, icon, yuan } from './dom.js'
import { t } from './i18n.js'

const STEPS = { login: 'person', order: 'bag', prepay: 'sign', cashier: 'phone', notify: 'bell', paid: 'check' }
const FRESH = () => ({ state: 'idle', note: () => '' })

export class Story {
  constructor(host, { simulatorUrl, paymentApi, version }) {
    Object.assign(this, { host, simulatorUrl, paymentApi, version })
    this.steps = Object.fromEntries(Object.keys(STEPS).map(name => [name, FRESH()]))
    this.draw()
  }

  /** One event of the shim (see wx.js). */
  heard(event) {
    const { kind, method, path } = event
    if (kind === 'sheet') return this.mark('cashier', 'active')
    if (kind === 'paid') return this.paidAtWeChat()
    if (kind === 'refused') return this.mark('cashier', 'idle', () => t(event.errMsg.endsWith('cancel') ? 'note_cancelled' : 'note_declined'))
    const step = this.stepOf(method, path)
    if (!step) return undefined
    if (kind === 'ask') return this.asked(step)
    if (kind === 'lost' || event.status >= 300) return this.settled(step, 'idle')
    return this.answered(step, event.data)
  }

  stepOf(method, path) {
    if (path === '/api/login') return 'login'
    if (method === 'POST' && path === '/api/orders') return 'order'
    if (path.endsWith('/pay')) return 'prepay'
    if (path.endsWith('/sync')) return 'paid'
    return path.startsWith('/api/orders') ? 'kept' : null
  }

  asked(step) {
    if (step === 'order' || step === 'prepay') this.restart(step)
    if (step === 'login' || step === 'order' || step === 'prepay') this.mark(step, 'active')
  }

  /** A new order begins its own story; the login goes on being true. */
  restart(from) {
    const names = Object.keys(STEPS)
    for (const name of names.slice(names.indexOf(from))) this.mark(name, 'idle')
    if (from === 'prepay') this.settled('order', 'done')
  }

  settled(step, state) {
    if (step in STEPS && this.steps[step].state !== 'done') this.mark(step, state)
  }

  answered(step, data) {
    if (step === 'login') return this.mark('login', 'done', () => t('note_expires', { n: Math.round(data.expires_in / 3600) }))
    if (this.steps.login.state !== 'done') this.mark('login', 'done', () => t('note_kept'))
    if (step === 'order') this.mark('order', 'done', () => `${data.order_no} · ¥${yuan(data.amount_fen)}`)
    if (step === 'prepay') this.mark('prepay', 'done', () => `${data.package.slice(0, 30)}… · ${data.signType}`)
    if (step === 'paid' && data.status === 'paid') this.confirmed()
    return undefined
  }

  paidAtWeChat() {
    this.mark('cashier', 'done')
    this.mark('notify', 'active')
  }

  /** The order moved without anybody having asked WeChat. */
  notified() {
    if (this.steps.paid.state !== 'done') this.mark('notify', 'done', () => t('note_notified'))
  }

  confirmed() {
    if (this.steps.notify.state === 'active') this.mark('notify', 'done', () => t('note_asked'))
    this.mark('paid', 'done')
  }

  mark(name, state, note = () => '') {
    this.steps[name] = { state, note }
    const old = this.host.querySelector(`[data-testid="step-${name}"]`)
    if (old) old.replaceWith(this.step(name))
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  draw() {
    this.host.setAttribute('aria-label', t('steps_title'))
    this.host.replaceChildren(
      h('p', { class: 'eyebrow' }, t('story_eyebrow')),
      h('h1', {}, t('story_title')),
      h('p', { class: 'lead' }, t('story_lead')),
      this.chips(),
      h('ol', { class: 'steps', 'aria-label': t('steps_title') }, Object.keys(STEPS).map(name => this.step(name))),
      h('div', { class: 'asides' }, this.otherGeneration(), this.behindTheCounter())
    )
  }

  chips() {
    const chip = (name, value) => h('li', { class: 'chip' }, h('span', {}, t(name)), h('b', {}, value))
    return h(
      'ul',
      { class: 'chips', 'data-testid': 'chips' },
      chip('api_label', this.paymentApi),
      chip('mode_label', t('mode_simulator')),
      chip('version_label', this.version)
    )
  }

  step(name) {
    const { state, note } = this.steps[name]
    const spoken = { idle: '', active: t('doing'), done: t('did') }[state]
    return h(
      'li',
      { class: 'story-step', 'data-state': state, 'data-testid': `step-${name}` },
      h('span', { class: 'dot' }, icon(state === 'done' ? 'check' : STEPS[name])),
      h(
        'div',
        {},
        h('h2', {}, t(`step_${name}`), spoken ? h('span', { class: 'unseen' }, ` (${spoken})`) : null, note() ? h('code', {}, note()) : null),
        h('p', {}, t(`step_${name}_text`))
      )
    )
  }

  otherGeneration() {
    const commands = this.paymentApi.includes('v3')
      ? ['WECHAT_PAY_API=v2 make run', 'WECHAT_PAY_API=v2 WECHAT_V2_SIGN_TYPE=HMAC-SHA256 make run']
      : ['WECHAT_PAY_API=v3 make run']
    return h(
      'section',
      { class: 'aside' },
      h('h2', {}, t('switch_title')),
      h('p', {}, t('switch_text')),
      commands.map(command => h('code', { class: 'command' }, command))
    )
  }

  behindTheCounter() {
    const link = (name, href) => h('li', {}, h('a', { href, target: '_blank', rel: 'noreferrer' }, t(name)))
    return h(
      'section',
      { class: 'aside' },
      h('h2', {}, t('look_title')),
      h(
        'ul',
        {},
        link('look_ledger', `${this.simulatorUrl}/_sim/ledger`),
        link('look_exchanges', `${this.simulatorUrl}/_sim/exchanges`),
        link('look_api', '/openapi.json')
      )
    )
  }
}

/** What stands beside the phone: which API pays, what can go wrong, and the diagram of what passes. */
import { h, icon } from './dom.js'
import { t } from './i18n.js'
import { PLAYS } from './plays.js'

const SCHEMES = { RSA: 'API v3', MD5: 'v2 MD5', 'HMAC-SHA256': 'v2 HMAC-SHA256' }
const LANES = ['mp', 'us', 'wx']

export class Panel {
  /** `actions`: choose(scheme), play(name). `facts`: version and simulatorUrl of the page. */
  constructor(host, wire, state, actions, facts) {
    Object.assign(this, { host, wire, state, actions, facts, down: false })
    this.status = h('p', { class: 'down', role: 'status', 'data-testid': 'wire-status' })
    this.draw()
  }

  /** All of it: at the start, and when the language changes. */
  draw() {
    this.host.setAttribute('aria-label', t('panel'))
    this.wire.draw()
    this.host.replaceChildren(
      h('header', {}, h('p', { class: 'eyebrow' }, t('eyebrow')), h('h2', {}, t('panel_title')), h('p', { class: 'lead' }, t('lead'))),
      this.schemes(),
      this.plays(),
      h('section', { class: 'diagram', 'aria-label': t('wire_title') }, this.head(), this.status, this.wire.host),
      this.footer()
    )
    this.connected(!this.down)
    this.show()
  }

  /** Whether the simulator can be heard: what crosses meanwhile is not seen before it can again. */
  connected(up) {
    this.down = !up
    const said = up ? '' : t('wire_down')
    if (this.status.textContent !== said) this.status.textContent = said // read out once, however often it is tried
  }

  schemes() {
    const choice = name =>
      h(
        'label',
        { class: 'choice' },
        h('input', { type: 'radio', name: 'scheme', value: name, 'data-testid': `scheme-${name}`, onchange: () => this.actions.choose(name) }),
        h('span', {}, SCHEMES[name])
      )
    return h(
      'fieldset',
      { class: 'schemes' },
      h('legend', {}, t('schemes')),
      h('div', { class: 'choices' }, Object.keys(SCHEMES).map(choice)),
      h('p', { class: 'hint' }, t('schemes_hint'))
    )
  }

  plays() {
    const button = name =>
      h('li', {}, h('button', { type: 'button', class: 'play', 'data-testid': `play-${name}`, onclick: () => this.actions.play(name) }, t(`play_${name}`)))
    return h(
      'section',
      { class: 'plays', 'aria-labelledby': 'plays-title' },
      h('h3', { id: 'plays-title' }, t('plays'), ' ', h('small', {}, t('plays_hint'))),
      h('ul', {}, Object.keys(PLAYS).map(button))
    )
  }

  head() {
    return h(
      'div',
      { class: 'wire-head' },
      h('div', { class: 'lanes', 'aria-hidden': 'true' }, LANES.map(lane => h('span', { class: `lane ${lane}` }, t(`lane_${lane}`)))),
      h('button', { class: 'clear', type: 'button', 'data-testid': 'wire-clear', 'aria-label': t('wire_clear'), title: t('wire_clear'), onclick: () => this.wire.clear() }, icon('clear'))
    )
  }

  footer() {
    const { simulatorUrl, version } = this.facts
    const link = (name, href) => h('li', {}, h('a', { href, target: '_blank', rel: 'noreferrer' }, t(name)))
    return h(
      'ul',
      { class: 'links' },
      link('look_ledger', `${simulatorUrl}/_sim/ledger`),
      link('look_complaints', `${simulatorUrl}/_sim/complaints`),
      link('look_api', '/openapi.json'),
      h('li', {}, t('version', { version }))
    )
  }

  /** What may be chosen now. */
  show() {
    const { scheme, playing, busy } = this.state
    for (const input of this.host.querySelectorAll('input[name="scheme"]')) input.checked = input.value === scheme
    for (const button of this.host.querySelectorAll('.play')) {
      button.setAttribute('aria-disabled', String(Boolean(playing || busy)))
      button.classList.toggle('playing', button.dataset.testid === `play-${playing}`)
    }
  }
}

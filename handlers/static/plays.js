/**
 * What can go wrong, and what comes of it. A play buys something by itself, with the phone's own buttons, and makes its
 * trouble by the simulator's own controls. It must not touch an order in any other way than a buyer can.
 */
import { valueIn } from './messages.js'
import { post } from './wx.js'

const PASSWORD = ['1', '3', '5', '7', '9', '0']
const MOMENT = 500 // ms: the eye follows; none where less motion is wanted
const KEYSTROKE = 110
const LOOK_AGAIN = 400 // ms between two looks at an order that is about to move
const LOOKS = 25
const LONGEST = 120_000 // ms: then something else has gone wrong than was meant to

const isNotice = exchange => /^notify\.v/.test(exchange.op)
const isSuccess = ({ response }, ...names) => names.some(name => valueIn(response.body, name) === 'SUCCESS')
const found = exchange => exchange.op.endsWith('.query') && isSuccess(exchange, 'trade_state')
/** By a signed notification, or by a query: v2's notification is not signed. */
const refunded = exchange =>
  (exchange.op === 'notify.refund' && exchange.request.signed) ||
  (exchange.op.endsWith('.refund_query') && isSuccess(exchange, 'status', 'refund_status_0'))

/** Each: the scheme that it needs, if it needs one, and what it does. */
export const PLAYS = {
  cancel: {
    async go(player) {
      await player.sheet()
      await player.dismiss()
    }
  },
  lost: {
    async go(player) {
      await player.faults({ op: 'notify.v?', fault: 'drop' })
      await player.sheet()
      const query = player.until(found)
      await Promise.all([player.until(({ op }) => op === 'pay'), player.type()])
      player.phone.kill()
      await query
      await player.phone.revive()
      await player.becomes('paid')
    }
  },
  thrice: {
    async go(player) {
      await player.faults({ op: 'notify.v?', fault: 'duplicate', times: 3, count: 1 })
      await player.sheet()
      const third = player.until(isNotice, 3)
      await player.pays()
      await third
    }
  },
  answer: {
    async go(player) {
      await player.faults({ op: 'v?.prepay', fault: 'drop_reply_after_commit', count: 1 })
      await player.sheet()
      await player.pays()
    }
  },
  forged: {
    async go(player) {
      await player.sheet()
      await player.notify({ signature: 'forged' })
      await player.dismiss()
    }
  },
  amount: {
    async go(player) {
      // Of this API alone: a notification that was refused before comes again, and would take the fault upon itself.
      const where = player.phone.scheme() === 'RSA'
        ? { op: 'notify.v3', field: 'ciphertext' }
        : { op: 'notify.v2', field: 'total_fee', value: '1' }
      await player.faults({ ...where, fault: 'tamper', count: 1 })
      await player.sheet()
      const refused = player.until(isNotice)
      await player.pays()
      await refused
    }
  },
  other: {
    async go(player) {
      await player.sheet()
      await player.notify({ override: { amount: 1 } })
      await player.dismiss()
    }
  },
  probe: {
    scheme: 'RSA',
    async go(player) {
      await player.sheet()
      await player.notify({ signature: 'signtest' })
      await player.pays()
    }
  },
  late: {
    scheme: 'RSA',
    async go(player) {
      await player.sheet()
      await player.dismiss()
      await player.phone.close()
      await player.moment()
      const back = player.until(({ op }) => op === 'notify.refund')
      await player.control('impossible', { out_trade_no: player.number })
      await back
    }
  },
  refund: {
    async go(player) {
      await player.sheet()
      await player.pays()
      await player.moment()
      const back = player.until(refunded)
      await player.phone.refund()
      await back
      await player.becomes('refunded')
    }
  }
}

export class Player {
  /** `phone`: order, pay, close, refund, look, kill, revive, scheme (see app.js). `say(name, note, end, values)` comments on the play. */
  constructor({ simulatorUrl, phone, say }) {
    Object.assign(this, { simulatorUrl, phone, say, waiting: [], playing: '' })
  }

  async play(name) {
    const { scheme, go } = PLAYS[name]
    this.playing = name
    if (scheme) this.phone.scheme(scheme)
    this.say(`play_${name}`, `play_${name}_text`)
    try {
      await Promise.race([go(this), tooLong()])
      this.say('play_end', `play_${name}_end`, 'good')
    } catch (error) {
      this.say(`play_${name}`, 'play_failed', 'bad', { reason: error.message })
    }
    this.waiting = []
    await this.control('faults', undefined, 'DELETE').catch(() => null)
    this.playing = ''
  }

  // --- what is waited for ---------------------------------------------------------------------------------------

  /** An exchange of the simulator's, or an event of the shim. */
  heard(event) {
    for (const wait of [...this.waiting]) if (wait.matches(event)) wait.met(event)
  }

  /** The `times`th of these that is heard from now on. */
  until(matches, times = 1) {
    return new Promise(resolve => {
      const wait = {
        matches: event => event.op && matches(event),
        met: event => {
          if (--times) return
          this.waiting = this.waiting.filter(other => other !== wait)
          resolve(event)
        }
      }
      this.waiting.push(wait)
    })
  }

  async becomes(status) {
    for (let look = 0; look < LOOKS; look++) {
      const order = await this.phone.look()
      if (order && order.status === status) return
      await pause(LOOK_AGAIN)
    }
    throw new Error(status)
  }

  moment() {
    return pause(still() ? 0 : MOMENT)
  }

  // --- what is done ---------------------------------------------------------------------------------------------

  control(name, data, method = 'POST') {
    return post(`${this.simulatorUrl}/_sim/${name}`, data, method)
  }

  faults(rule) {
    return this.control('faults', [rule], 'PUT')
  }

  /** Orders something and taps "pay", until WeChat's sheet is open. */
  async sheet() {
    await this.phone.order()
    const opened = new Promise(resolve => {
      this.waiting.push({ matches: ({ kind }) => kind === 'sheet', met: resolve })
    })
    this.paying = this.phone.pay()
    const sheet = await Promise.race([opened, this.paying])
    if (!sheet) throw new Error('no sheet')
    this.number = sheet.outTradeNo
    await this.moment()
  }

  async type() {
    for (const digit of PASSWORD) {
      press(`key-${digit}`)
      await pause(still() ? 0 : KEYSTROKE)
    }
  }

  /** The password, and what pay.js makes of it. */
  async pays() {
    await this.type()
    await this.paying
  }

  async dismiss() {
    await this.moment()
    press('cashier-close')
    await this.paying
  }

  async notify(wish) {
    await this.control('notify', { out_trade_no: this.number, ...wish })
    await this.moment()
  }
}

function press(name) {
  const button = document.querySelector(`[data-testid="${name}"]`)
  if (button) button.click()
}

function still() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches
}

async function tooLong() {
  await pause(LONGEST)
  throw new Error(`${LONGEST / 1000} s`)
}

function pause(milliseconds) {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

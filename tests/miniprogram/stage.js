/** Where test_node.py has started the shop, and what only a test may do there. */
'use strict'

const { execFileSync } = require('node:child_process')

const { SHOP_URL, STARTING_URL, SIMULATOR_URL, DATABASE, PYTHON } = process.env
const EXECUTE = 'import sys, sqlite3 as s; c = s.connect(sys.argv[1], 60); c.execute(sys.argv[2], sys.argv[3:]); c.commit()'

async function control(method, name, body) {
  const options = { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) }
  const answer = await fetch(`${SIMULATOR_URL}/_sim/${name}`, options)
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? null : answer.json()
}

/** WeChat. */
const simulator = {
  code: async openid => (await control('POST', 'login', { openid })).code,
  pay: async (parameters, outcome = 'ok') => (await control('POST', 'pay', { ...parameters, outcome })).errMsg,
  plan: rules => control('PUT', 'faults', rules),
  clear: () => fetch(`${SIMULATOR_URL}/_sim/faults`, { method: 'DELETE' }),

  /** What WeChat was paid by this user. */
  async payments(openid) {
    const { orders, payments } = await control('GET', 'ledger')
    const own = new Set(orders.filter(order => order.openid === openid).map(order => order.out_trade_no))
    return payments.filter(payment => own.has(payment.out_trade_no))
  }
}

/** Every session of this user ends now: nobody was heard of them since 1970. */
function endSessions(openid) {
  const statement = 'UPDATE sessions SET seen_at = 0 WHERE user_id = (SELECT id FROM users WHERE openid = ?)'
  execFileSync(PYTHON, ['-I', '-S', '-c', EXECUTE, DATABASE, statement, openid])
}

module.exports = { SHOP_URL, STARTING_URL, SIMULATOR_URL, simulator, endSessions }

/**
 * What passes, as messages of the diagram: `{at, from, to, answer, name, values, sub, end, why, part}`.
 *
 * `at` is in ms, `from` and `to` are lanes ('mp', 'us', 'wx'), `name` with `values` is a text, `sub` the technical line,
 * `end` 'good', 'bad', 'odd', 'lost' or '', `why` a text's [name, values]. Everything that touches WeChat is told by the
 * simulator, the rest by the page. Pure: it must not know the screen.
 */

const PHONE = ['wx.login', 'cashier', 'pay']
const UNANSWERED = ['drop_before', 'drop_reply_after_commit', 'reset_before', 'reset', 'truncate']
const ordered = new Map() // out_trade_no -> the amount that was announced to WeChat

/** A value of a JSON or XML text, the first of that name. */
export function valueIn(text, name) {
  const found = (text || '').match(new RegExp(`"${name}"\\s*:\\s*"?([^",}]*)|<${name}>(?:<!\\[CDATA\\[)?([^<\\]]*)`))
  return found ? found[1] || found[2] || '' : ''
}

// --- between WeChat and the others: an item of GET /_sim/exchanges ---------------------------------------------------

/** The request and, unless it never came, the answer. */
export function ofExchange(exchange) {
  const { began, ended, direction, op, method, url, request, response } = exchange
  const [from, to] = direction === 'out' ? ['wx', 'us'] : [PHONE.includes(op) ? 'mp' : 'us', 'wx']
  if (op.endsWith('.prepay')) ordered.set(exchange.out_trade_no, amountIn(request.body))
  const asked = {
    at: began * 1000,
    from,
    to,
    name: nameOf(exchange),
    values: {},
    sub: PHONE.includes(op) ? '' : `${method} ${pathOf(url)}`,
    ...(direction === 'out' ? judgedNotice(exchange) : judgedRequest(exchange)),
    part: { method, url, ...request }
  }
  if (direction === 'out' && !exchange.status) return [asked]
  const answer = { at: ended * 1000, from: to, to: from, answer: true, ...answerOf(exchange) }
  return [asked, { ...answer, sub: PHONE.includes(op) ? '' : `HTTP ${exchange.status}`, part: { status: exchange.status, ...response } }]
}

/** Without host and query, long numbers cut: the whole line is in the opened message. */
function pathOf(url) {
  return new URL(url, location.href).pathname.replace(/[^/]{15,}/g, part => (/\d/.test(part) ? `${part.slice(0, 6)}…` : part))
}

function amountIn(text) {
  return Number(valueIn(text, 'total') || valueIn(text, 'total_fee'))
}

function inYuan(fen) {
  return (fen / 100).toFixed(2)
}

function nameOf({ op, request }) {
  if (op === 'pay') return `x_pay_${valueIn(request.body, 'outcome') || 'ok'}`
  return `x_${op.replace(/^v[23]\./, '').replace(/^notify\.v[23]$/, 'notify').replace(/\W/g, '_')}`
}

/** WeChat has looked at the signature. */
function judgedRequest({ verdict, explanation }) {
  if (verdict !== 'bad') return { end: verdict === 'ok' ? 'good' : '' }
  return { end: 'bad', why: ['why_signature', { cause: explanation ? explanation.likely_cause : '' }] }
}

/** Our server has; and what was done to the notification is known to who did it. */
function judgedNotice(exchange) {
  const { op, fault, verdict, status, request, response } = exchange
  if (fault === 'drop') return { end: 'lost', why: ['fault_drop', {}] }
  if (!status) return { end: 'lost', why: ['why_undelivered', { result: verdict }] }
  const good = verdict === 'acknowledged'
  if (fault === 'altered' && good) return { end: 'odd', why: ['fault_altered', amounts(exchange)] }
  if (op === 'notify.refund' && good && !request.signed) return { end: '', why: ['why_hint', {}] }
  if (fault === 'duplicate' || !fault) return { end: good ? 'good' : 'bad' }
  return { end: good ? 'odd' : 'bad', why: [`fault_${fault}`, { answer: valueIn(response.body, 'return_code') || status }] }
}

function amounts({ out_trade_no: number, request }) {
  return { said: inYuan(amountIn(request.decrypted || request.body)), ordered: inYuan(ordered.get(number)) }
}

function answerOf(exchange) {
  const { direction, fault, code, why } = exchange
  const told = toldBy(exchange)
  if (UNANSWERED.includes(fault)) return { ...told, end: 'lost', why: [`fault_${fault}`, {}] }
  if (direction === 'out') return { ...told, ...(exchange.verdict === 'acknowledged' ? { end: '' } : { end: 'bad', why: ['why_again', {}] }) }
  if (code) return { ...told, end: 'bad', why: ['why_refused', { code, why }] }
  return { ...told, end: fault ? 'odd' : '', why: fault ? ['why_fault', { fault }] : null }
}

/** What an answer is about, in a word. */
function toldBy({ direction, op, status, verdict, code, response }) {
  const body = response.body
  if (direction === 'out') return { name: verdict === 'acknowledged' ? 'a_acknowledged' : 'a_refused', values: { status } }
  if (code) return { name: 'a_plain', values: { text: code } }
  if (op === 'cashier' && !body.includes('errMsg')) return { name: 'a_sheet', values: { amount: inYuan(valueIn(body, 'amount_fen')) } }
  const name = { 'wx.login': 'code', login: 'openid', prepay: 'prepay_id', close: 'closed' }[op.replace(/^v[23]\./, '')]
  const state = ['errMsg', 'trade_state', 'refund_status_0', 'status', 'result_code'].map(field => valueIn(body, field)).find(Boolean)
  return { name: 'a_plain', values: { text: name || state || String(status) } }
}

// --- between the mini-program and our server: an event of the shim (see wx.js) --------------------------------------

const NAMES = [
  [/^POST \/api\/login$/, 'p_login', 'a_token'],
  [/^GET \/api\/products$/, 'p_products', 'a_products'],
  [/^POST \/api\/orders$/, 'p_order', 'a_order'],
  [/^GET \/api\/orders$/, 'p_orders', 'a_orders'],
  [/\/pay$/, 'p_pay', 'a_paysign'],
  [/\/sync$/, 'p_sync', 'a_status'],
  [/\/close$/, 'p_close', 'a_status'],
  [/\/refunds$/, 'p_refund', 'a_plain'],
  [/^GET \/api\/orders\/\w+$/, 'p_read', 'a_status']
]

export function ofPage({ kind, at, method, path, status, headers, body }) {
  const [, asked, answered] = NAMES.find(([pattern]) => pattern.test(`${method} ${path}`)) || ['', 'p_other', 'a_plain']
  const part = { headers: hidden(headers), body: hiddenToken(body) }
  if (kind === 'ask') return { at, from: 'mp', to: 'us', name: asked, values: {}, sub: `${method} ${pathOf(path)}`, end: '', part: { method, url: path, ...part } }
  const answer = { at, from: 'us', to: 'mp', answer: true, values: {}, part: { status, ...part } }
  if (kind === 'lost') return { ...answer, name: 'a_nothing', sub: '', end: 'lost', why: ['why_nothing', {}], part: {} }
  const sub = `HTTP ${status}`
  if (status < 300) return { ...answer, sub, end: '', name: answered, values: { status: valueIn(body, 'status'), text: valueIn(body, 'status') } }
  const why = ['why_refused', { code: valueIn(body, 'code'), why: valueIn(body, 'message') }]
  return { ...answer, sub, end: 'bad', name: 'a_plain', values: { text: valueIn(body, 'code') || String(status) }, why }
}

/** A token is for its owner alone, on a projector too. */
function hidden(headers = {}) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, name === 'Authorization' ? 'Bearer ***' : value]))
}

function hiddenToken(body = '') {
  return body.replace(/("token":\s*")[^"]*/, '$1***')
}

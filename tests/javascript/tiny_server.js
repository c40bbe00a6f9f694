/**
 * A shop's server small enough to read: the API of the contract over real HTTP, in memory, with a few things that can
 * be made to go wrong. It judges pay.js, so it shares nothing with it.
 */
'use strict'

const http = require('node:http')

class TinyServer {
  constructor() {
    this.seen = [] // every request: {method, path, headers, body}
    this.orders = new Map()
    this.byKey = new Map()
    this.tokens = new Set()
    this.usedCodes = new Set()
    this.cutAfter = {} // 'POST /api/orders': n -> do the work n times, but hang up instead of answering
    this.answerWith = {} // 'POST /api/orders/1/pay': [{status, body}, ...] -> given instead of doing the work
    this.holdBack = {} // 'GET /api/orders': ms -> the answer, once it is made, is that late
    this.expiresIn = 7200
  }

  async start() {
    this.server = http.createServer((request, response) => this.receive(request, response))
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  stop() {
    this.server.closeAllConnections()
    return new Promise(resolve => this.server.close(resolve))
  }

  count(line) {
    return this.seen.filter(one => `${one.method} ${one.path}` === line).length
  }

  async receive(request, response) {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const one = { method: request.method, path: request.url, headers: request.headers, body: text && JSON.parse(text) }
    this.seen.push(one)
    const line = `${one.method} ${one.path}`
    const planned = (this.answerWith[line] || []).shift()
    const { status, body } = planned || this.work(one)
    if (this.cutAfter[line] > 0) {
      this.cutAfter[line] -= 1
      return request.socket.destroy()
    }
    if (this.holdBack[line]) await new Promise(resolve => setTimeout(resolve, this.holdBack[line]))
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

  work({ method, path, headers, body }) {
    if (path === '/api/products') return { status: 200, body: { products: [{ id: 'latte', price_fen: 2800 }] } }
    if (path === '/api/login') return this.logIn(body.code)
    if (!this.tokens.has((headers.authorization || '').replace('Bearer ', ''))) return refusal(401, 'token_invalid')
    if (path === '/api/orders') return method === 'POST' ? this.create(headers['idempotency-key'], body) : this.list()
    const [, , , orderNo, verb] = path.split('/')
    const order = this.orders.get(orderNo)
    if (!order) return refusal(404, 'order_not_found')
    if (verb === 'pay') return this.payParameters(order)
    if (verb === 'close') order.status = 'closed'
    return { status: 200, body: order }
  }

  logIn(code) {
    if (!code || this.usedCodes.has(code)) return refusal(401, 'code_refused')
    this.usedCodes.add(code)
    const token = `token-of-${code}`
    this.tokens.add(token)
    return { status: 200, body: { token, expires_in: this.expiresIn } }
  }

  create(key, body) {
    const known = this.byKey.get(key)
    if (known) return { status: 200, body: known }
    const order = { order_no: `MP${this.orders.size + 1}`, status: 'pending', amount_fen: 2800, items: body.items }
    this.orders.set(order.order_no, order)
    this.byKey.set(key, order)
    return { status: 201, body: order }
  }

  list() {
    return { status: 200, body: { orders: [...this.orders.values()] } }
  }

  payParameters(order) {
    if (order.status === 'paid') return refusal(409, 'order_paid')
    if (order.status === 'closed') return refusal(409, 'order_closed')
    const signed = { timeStamp: '1700000000', nonceStr: 'n', signType: 'RSA', paySign: 's' }
    return { status: 200, body: Object.assign({ package: `prepay_id=${order.order_no}` }, signed) }
  }
}

function refusal(status, code) {
  return { status, body: { error: { code, message: `said in words: ${code}`, request_id: 'r-1' } } }
}

module.exports = { TinyServer, refusal }

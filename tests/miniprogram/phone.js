/**
 * A phone: the part of `wx` that miniprogram/ uses, as WeChat's documents describe it. Requests go over real sockets,
 * login and payment to the real simulator, storage to a file, so that it outlives the process.
 */
'use strict'

const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')

const { simulator } = require('./stage.js')

const NOBODY_LISTENS = 'http://127.0.0.1:9'
let phones = 0

class Phone {
  /** Somebody new with an empty storage, or, given `home`, the same person on the same phone again. */
  constructor(home = { openid: `o-node-${process.pid}-${Date.now()}-${phones++}`, file: '' }) {
    this.home = Object.assign({}, home, { file: home.file || path.join(os.tmpdir(), `${home.openid}.json`) })
    this.codes = 0
    this.sent = [] // {line, header, data} of every request that wanted to leave
    this.sheets = [] // what wx.requestPayment was given
    this.loginFails = false

    /**
     * What becomes of a request, by its line ('POST /api/orders/:no/pay') and how many of those there were:
     * 'cut' it never leaves, 'lose' it is done but its answer is lost, 'hold' the same and nothing is ever heard,
     * an address: it goes there instead; else it just goes.
     */
    this.fate = () => ''
    this.onHold = () => {}

    /** What the user does in the sheet; resolves to the callback's errMsg, or to nothing: then none ever comes. */
    this.atSheet = parameters => simulator.pay(parameters)
  }

  count(line) {
    return this.sent.filter(one => one.line === line).length
  }

  get wx() {
    return {
      login: options => this.login(options),
      request: options => this.request(options),
      requestPayment: options => this.requestPayment(options),
      getStorageSync: key => (key in this.stored() ? this.stored()[key] : ''),
      setStorageSync: (key, value) => fs.writeFileSync(this.home.file, JSON.stringify({ ...this.stored(), [key]: value }))
    }
  }

  stored() {
    return fs.existsSync(this.home.file) ? JSON.parse(fs.readFileSync(this.home.file, 'utf8')) : {}
  }

  async login({ success, fail }) {
    this.codes += 1
    if (this.loginFails) return setImmediate(() => fail({ errMsg: 'login:fail no network' }))
    success({ code: await simulator.code(this.home.openid), errMsg: 'login:ok' })
  }

  async requestPayment({ complete, ...parameters }) {
    this.sheets.push(parameters)
    const errMsg = await this.atSheet(parameters)
    if (errMsg) complete({ errMsg })
  }

  async request({ url, method, data, header, success, fail }) {
    const line = `${method} ${new URL(url).pathname.replace(/MP[0-9A-Z]+/, ':no')}`
    this.sent.push({ line, header, data })
    const fate = (await this.fate(line, this.count(line))) || ''
    if (fate === 'cut') url = NOBODY_LISTENS
    if (fate.startsWith('http')) url = fate + new URL(url).pathname
    const lost = () => (fate === 'hold' ? this.onHold() : fail({ errMsg: 'request:fail' }))
    const call = http.request(url, { method, headers: header, agent: false }, async answer => {
      if (fate === 'lose' || fate === 'hold') return lost(answer.destroy())
      success({ statusCode: answer.statusCode, data: parsed(await bodyOf(answer)), header: answer.headers })
    })
    call.on('error', lost)
    call.end(data === undefined ? undefined : JSON.stringify(data))
  }
}

async function bodyOf(answer) {
  const chunks = []
  for await (const chunk of answer) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return text
  }
}

module.exports = { Phone }

/** The part of `wx` that pay.js uses, as WeChat's documents describe it: callbacks, `errMsg`, synchronous storage. */
'use strict'

const http = require('node:http')

class Phone {
  constructor() {
    this.codes = 0
    this.store = new Map()
    this.sheets = [] // what wx.requestPayment was given
    this.loginFails = false
    /** What happens when the sheet opens; calls back, or never. */
    this.atSheet = ({ complete }) => complete({ errMsg: 'requestPayment:ok' })
  }

  get wx() {
    return {
      login: options => this.login(options),
      request: options => request(options),
      requestPayment: options => {
        this.sheets.push(options)
        this.atSheet(options)
      },
      getStorageSync: key => (this.store.has(key) ? this.store.get(key) : ''),
      setStorageSync: (key, value) => this.store.set(key, JSON.parse(JSON.stringify(value))),
      removeStorageSync: key => this.store.delete(key)
    }
  }

  login({ success, fail }) {
    this.codes += 1
    if (this.loginFails) return setImmediate(() => fail({ errMsg: 'login:fail no network' }))
    const code = `code${this.codes}`
    setImmediate(() => success({ code, errMsg: 'login:ok' }))
  }
}

/** wx.request: any HTTP status is a success; JSON is parsed where it can be. */
function request({ url, method, data, header, success, fail }) {
  const call = http.request(url, { method, headers: header, agent: false }, async answer => {
    const chunks = []
    try {
      for await (const chunk of answer) chunks.push(chunk)
    } catch (error) {
      return fail({ errMsg: 'request:fail' })
    }
    success({ statusCode: answer.statusCode, data: parsed(Buffer.concat(chunks).toString()), header: answer.headers })
  })
  call.on('error', () => fail({ errMsg: 'request:fail' }))
  call.end(data === undefined ? undefined : JSON.stringify(data))
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return text
  }
}

module.exports = { Phone }

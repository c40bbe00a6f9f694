/**
 * `wx` with login and payment taken from the local simulator, for the developer tools and a test appid.
 * Everything else is the real thing. It does nothing once `simulatorUrl` in config.js is empty.
 */
'use strict'

const OPENID = 'simulated.openid'

function simulated(wx, simulatorUrl) {
  const post = (path, data, success, fail) =>
    wx.request({ url: simulatorUrl + path, method: 'POST', data, success: answer => success(answer.data), fail })

  return {
    request: options => wx.request(options),
    getStorageSync: key => wx.getStorageSync(key),
    setStorageSync: (key, value) => wx.setStorageSync(key, value),

    /** Without an openid the simulator would make somebody new every time: this device keeps being one person. */
    login({ success, fail }) {
      const openid = wx.getStorageSync(OPENID) || `o-devtools-${Math.random().toString(36).slice(2, 12)}`
      wx.setStorageSync(OPENID, openid)
      post('/_sim/login', { openid }, ({ code }) => success({ code, errMsg: 'login:ok' }), fail)
    },

    requestPayment({ timeStamp, nonceStr, package: prepay, signType, paySign, complete }) {
      const parameters = { timeStamp, nonceStr, package: prepay, signType, paySign }
      const lost = () => complete({ errMsg: 'requestPayment:fail the simulator does not answer' })
      const pay = outcome => post('/_sim/pay', Object.assign({ outcome }, parameters), complete, lost)
      wx.showModal({
        title: '微信支付（模拟）',
        content: '确认支付？',
        confirmText: '支付',
        success: ({ confirm }) => pay(confirm ? 'ok' : 'cancel')
      })
    }
  }
}

module.exports = { simulated }

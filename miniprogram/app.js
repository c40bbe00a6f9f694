const config = require('./config')
const { createShop } = require('./pay')
const { simulated } = require('./simulated')

App({
  onLaunch() {
    const phone = config.simulatorUrl ? simulated(wx, config.simulatorUrl) : wx
    this.shop = createShop({ wx: phone, baseUrl: config.baseUrl })
  }
})

/** Where the shop's server is; and the simulator, as long as there is no real appid (then: an empty string). */
module.exports = {
  baseUrl: 'http://127.0.0.1:8000',
  simulatorUrl: 'http://127.0.0.1:8900'
}

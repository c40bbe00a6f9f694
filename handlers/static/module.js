/* CommonJS for one file: lets /miniprogram/pay.js, written for WeChat's runtime, run in a page as it is. */
'use strict'
const module = { exports: {} }
globalThis.payModule = module

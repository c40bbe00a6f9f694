/** One message, opened: what was said of it, the exact string that was signed, what was encrypted, headers, body. */
import { h } from './dom.js'
import { t } from './i18n.js'

export function detailOf(message) {
  const { name, end, why, part } = message
  const { method, url, status, headers, body, signed, decrypted } = part
  return h(
    'section',
    { class: 'detail', 'aria-label': t('detail'), 'data-testid': 'detail' },
    h('p', { class: 'first-line' }, method ? `${method} ${url}` : status ? `HTTP ${status}` : t(name, {})),
    h('p', { class: `verdict ${end}` }, verdict(message), why ? [' ', t(why[0], why[1])] : null),
    signed ? block('d_signed', signed.string, 'd_signed_hint', { scheme: signed.scheme }) : null,
    signed && signed.signature ? block('d_signature', signed.signature, signed.by ? 'd_by' : '', { by: signed.by }) : null,
    decrypted ? block('d_decrypted', readable(decrypted)) : null,
    headers && Object.keys(headers).length ? block('d_headers', listed(headers)) : null,
    body ? block('d_body', readable(body)) : null
  )
}

/** Whose verdict it is: a request's receiver's. What is unsigned between phone and shop has none. */
function verdict({ answer, end, from, to, part }) {
  if (end === 'lost') return t('verdict_lost')
  if (!answer && end) return t(`verdict_${end}`, { who: t(`lane_${to}`) })
  return part.signed ? t('verdict_signed', { who: t(`lane_${from}`) }) : t('verdict_none')
}

function block(title, text, hint = '', values = {}) {
  const name = t(title)
  return h(
    'div',
    { class: 'block', 'data-block': title },
    h('h3', {}, name, hint ? h('small', {}, t(hint, values)) : null),
    h('pre', { tabindex: '0', role: 'region', 'aria-label': name }, text)
  )
}

function listed(headers) {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n')
}

/** Indented for reading. The bytes that were signed are in the signed string. */
function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch (error) {
    return text.replace(/(<xml>|<root>|<\/\w+>)\s*(?=<)/g, '$1\n')
  }
}

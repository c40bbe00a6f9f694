/**
 * What the simulator tells of the wire, by server-sent events. A connection that is lost is tried again until it is there,
 * and goes on behind what was heard last. It must not know what the messages mean.
 */

const AGAIN_AFTER = 1000 // ms, where the browser itself has given up

/**
 * `heard(exchange)` for each, once. `state(up)` when the connection opens, and when it is lost. Resolves when the first
 * try has come to something.
 */
export function listen(address, { heard, state }) {
  let last = ''
  return new Promise(resolve => {
    const open = () => {
      const stream = new EventSource(last ? `${address}&after=${last}` : address)
      const now = up => {
        state(up)
        resolve()
      }
      stream.onopen = () => now(true)
      stream.onmessage = ({ data, lastEventId }) => {
        last = lastEventId
        heard(JSON.parse(data))
      }
      stream.onerror = () => {
        now(false)
        if (stream.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_AFTER) // an answer, but not a stream's
      }
    }
    open()
  })
}

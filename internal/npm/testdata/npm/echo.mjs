// Says hello, then gives back each line it gets, until its input ends.
import { createInterface } from 'node:readline'
import ms from 'ms'

console.log(JSON.stringify({ event: 'ready', args: process.argv.slice(2), hour: ms('1h') }))
console.error('a word on stderr')
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ event: 'echo', line: JSON.parse(line) }))
}
